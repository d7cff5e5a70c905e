#pragma once
// foreign.h - runs from foreign directories and foreign directories from runs, before anything is written.

#include <string>
#include <vector>

#include "app/session.h"
#include "exchange/foreign_files.h"

namespace plugtune::app {

struct ImportOptions {
  std::string directory;
  std::string model;     ///< the base; "": what the files call it
  std::string labels{};  ///< "a,b,c"; "": those in the files
  std::string run{};     ///< the name of the run to make
  std::string task{};    ///< as task.kind of an experiment; "": what the files say, or their outputs suggest
  bool pairs = false;    ///< the model answers pairs of texts
};

/// A session with the foreign values in it: as if it had been trained here.
struct ImportedRun {
  Session session;
  std::string format;
  std::vector<std::string> notes;
};

/// Throws Error when anything in the directory cannot be taken over exactly; nothing has been written then.
ImportedRun import_foreign(const ImportOptions& options, const plugin::SearchPath& search);

/// Whether a delta key is the head's: the classifier's or the masked-LM head's, and the pooler's where it trains with them.
bool is_head_key(const std::string& key, bool trains_pooler);
/// Whether a tensor of the delta is the head's: the classifier, and a pooler that trains as a whole.
bool is_of_head(const Session& session, const std::string& delta_key);

/// The session's base for conversions; reads from the session's model, which must outlive it.
ExchangeBase exchange_base(const Session& session);

/// A finished run as files of `format`. @param name  of the adapter; @param base  how the files call the base model.
/// Throws Error when it cannot be said exactly.
exchange::ForeignFiles export_foreign(const Session& session, const std::string& format, const std::string& name,
                                      const std::string& base);

}  // namespace plugtune::app

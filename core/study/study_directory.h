#pragma once
// study_directory.h - studies/<name>: whose it is, and who may write to it.

#include "study/study_file.h"

namespace plugtune::study {

std::filesystem::path study_json(const Study& study);

/// Throws Error when the directory is another study's, or something else.
void check_directory(const Study& study);

/// The right to train in a study's directory, kept as long as the object lives.
class StudyLock {
 public:
  /// Makes the directory, with a study.json that says whose it is. Throws Error as check_directory() does, and while another
  /// process has the lock.
  explicit StudyLock(const Study& study);
  ~StudyLock();
  StudyLock(const StudyLock&) = delete;
  StudyLock& operator=(const StudyLock&) = delete;

 private:
  int descriptor_ = -1;
};

/// Waits until no process trains the run any more: one that was just killed may take a moment to be gone.
void wait_until_free(const std::filesystem::path& run);

}  // namespace plugtune::study

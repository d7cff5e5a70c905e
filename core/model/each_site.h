#pragma once
// each_site.h - every site of a model, whatever its type.

#include "model/bert.h"

namespace plugtune::model {

/// Calls visit(site) for every site, always in the same order.
template <class Visitor>
void for_each_site(Bert& model, const Visitor& visit) {
  visit(model.word_embeddings());
  visit(model.trunk());
  visit(model.encoder());
  for (int64_t i = 0; i < model.info().layers; ++i) {
    visit(model.layer(i));
    visit(model.attention(i));
  }
  for (LinearSite* site : model.all_linear())
    visit(*site);
  for (JunctionSite* site : model.all_junctions())
    visit(*site);
  visit(model.head());
}

}  // namespace plugtune::model

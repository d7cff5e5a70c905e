// profiler_test.cc - which span gets the time of a step: of its forward pass, and of the nodes that it put into the graph.
#include "train/profiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>

#include "plugtune/plugtune.h"
#include "support/golden.h"
#include "support/random_texts.h"
#include "train/trainer.h"

namespace plugtune::train {
namespace {

using ::testing::UnorderedElementsAre;

constexpr int64_t kSteps = 3, kBatch = 4;

/// x + rank-2 update, as a plugin's author would write it.
class LowRank final : public LinearPatch {
 public:
  explicit LowRank(const LinearSite& site)
      : a_(register_parameter("a", torch::randn({2, site.in_features()}))),
        b_(register_parameter("b", torch::zeros({site.out_features(), 2}))) {}
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x) + x.mm(a_.t()).mm(b_.t()); }

 private:
  Tensor a_, b_;
};

class Silent final : public Listener {
  void on_step(const StepReport&) override {}
  void on_evaluation(const EvalReport&) override {}
  void on_message(const std::string&) override {}
};

/// Three steps of the tiny model with an update on each query.
class ProfilerTest : public ::testing::Test {
 protected:
  ProfilerTest()
      : split_(testing::random_texts({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})),
        model_(testing::tiny_model()) {
    for (int64_t layer = 0; layer < 2; ++layer) {
      LinearSite& site = model_->linear(Role::kQuery, layer);
      site.attach("update", std::make_shared<LowRank>(site));
    }
    for (auto& [name, parameter] : model_->own_parameters())
      if (model::is_head_parameter(name)) parameter.set_requires_grad(true);
  }

  const Profile& train() {
    TrainSettings settings;
    settings.steps = kSteps;
    settings.batch_size = kBatch;
    settings.cache_frozen = false;
    Silent listener;
    Trainer trainer({*model_, methods_, split_, nullptr, nullptr, listener, settings, {}, 42});
    profiler_.start();
    trainer.run(/*resume=*/false);
    profiler_.stop();
    return profiler_.profile();
  }

  const SpanTotal& span(const std::string& name) const {
    for (const SpanTotal& total : profiler_.profile().spans)
      if (total.name == name) return total;
    throw std::out_of_range(name);
  }
  size_t index_of(const std::string& name) const {
    return static_cast<size_t>(&span(name) - profiler_.profile().spans.data());
  }
  /// Nodes of the graph that a span made, of one step, sorted.
  std::vector<std::string> nodes_of(const std::string& name) const {
    std::vector<std::string> nodes;
    int64_t step = 0;
    for (const SpanEvent& event : profiler_.profile().events) {
      if (event.span == 0) ++step;
      if (step == 0 && event.is_backward && event.span == index_of(name)) nodes.push_back(event.node);
    }
    return nodes;
  }

  data::EncodedSplit split_;
  std::shared_ptr<model::Bert> model_;
  Methods methods_;
  Profiler profiler_;
};

TEST_F(ProfilerTest, TheTimesOfAllSpansAreTheTimeOfTheSteps) {
  const Profile& profile = train();
  EXPECT_EQ(profile.steps, kSteps);
  EXPECT_GT(profile.nanoseconds, 0);
  int64_t sum = 0;
  for (const SpanTotal& total : profile.spans) {
    EXPECT_GE(total.forward_nanoseconds, 0) << total.name;
    EXPECT_GE(total.backward_nanoseconds, 0) << total.name;
    sum += total.forward_nanoseconds + total.backward_nanoseconds;
  }
  EXPECT_EQ(sum, profile.nanoseconds);  // to the nanosecond
}

TEST_F(ProfilerTest, EverySiteEveryPatchAndEveryPartOfAStepIsASpan) {
  std::vector<std::string> names;
  for (const SpanTotal& total : train().spans)
    names.push_back(total.name);
  std::vector<std::string> expected = {kStepSpan,
                                       "batch",
                                       "embeddings.word_embeddings",
                                       "embeddings",
                                       "head",
                                       "pooler.dense",
                                       "classifier",
                                       "loss",
                                       kBackwardSpan,
                                       model::kNormSpan,
                                       model::kUpdateSpan,
                                       model::kZeroSpan};
  for (const std::string layer : {"encoder.layer.0", "encoder.layer.1"}) {
    expected.push_back(layer);
    for (const char* part :
         {".attention.self.query", ".attention.self.query.update", ".attention.self.key", ".attention.self.value",
          ".attention.self", ".attention.output.dense", ".attention.output.LayerNorm", ".intermediate.dense",
          ".intermediate.activation", ".output.dense", ".output.LayerNorm"})
      expected.push_back(layer + part);
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAreArray(expected));
}

TEST_F(ProfilerTest, NeighboursThatAreComputedAsOneAreOneSpan) {
  for (int64_t layer = 0; layer < 2; ++layer)
    model_->linear(Role::kQuery, layer).detach("update");
  train();
  EXPECT_EQ(span("encoder.layer.0.attention.self.{query,key,value}").work.calls, kSteps);
  EXPECT_THROW(span("encoder.layer.0.attention.self.key"), std::out_of_range);
}

TEST_F(ProfilerTest, NodesOfTheGraphBelongToTheSpanThatMadeThem) {
  train();
  const std::string accumulation = "torch::autograd::AccumulateGrad", layer = "encoder.layer.1.attention.self.query";
  // The update's own sum and two products, and both of its parameters; not the frozen weight's product, which is inside it.
  EXPECT_THAT(nodes_of(layer + ".update"),
              UnorderedElementsAre("AddBackward0", "MmBackward0", "TBackward0", accumulation, "MmBackward0",
                                   "TBackward0", accumulation));
  ASSERT_EQ(nodes_of(layer).size(), 1U);
  EXPECT_THAT(nodes_of(layer).front(), ::testing::HasSubstr("LinearFunction"));
  EXPECT_EQ(std::ranges::count(nodes_of("classifier"), accumulation), 2);
  ASSERT_EQ(nodes_of("encoder.layer.0.output.LayerNorm").size(), 1U);
  EXPECT_THAT(nodes_of("encoder.layer.0.output.LayerNorm").front(), ::testing::HasSubstr("JunctionFunction"));
  // Nothing trains in front of the first layer's query.
  for (const char* name : {"embeddings", "embeddings.word_embeddings", "encoder.layer.0.attention.self.query",
                           "encoder.layer.0.attention.self.key", "batch", "optimizer.step"}) {
    EXPECT_TRUE(nodes_of(name).empty()) << name;
    EXPECT_EQ(span(name).backward_nanoseconds, 0) << name;
  }
  EXPECT_TRUE(nodes_of(kStepSpan).empty());  // no node is made outside of the spans
}

TEST_F(ProfilerTest, SpansKnowTheirRows) {
  train();
  const int64_t rows = 78, sequences = 12, squares = 650;  // lengths 1 to 12, each once in three steps
  const std::string first = "encoder.layer.0.", last = "encoder.layer.1.";
  EXPECT_EQ(span(first + "attention.self.query").work.rows, rows);
  EXPECT_EQ(span(first + "attention.self.query").work.gradient_rows, 0);
  EXPECT_EQ(span(first + "attention.self.query.update").work.rows, rows);
  EXPECT_EQ(span(first + "attention.self").work.pairs, squares);
  EXPECT_EQ(span(first + "attention.self").work.gradient_pairs, squares);
  EXPECT_EQ(span(first + "output.LayerNorm").work.gradient_rows, rows);
  // The last layer's queries are first rows only.
  EXPECT_EQ(span(last + "attention.self.query").work.rows, sequences);
  EXPECT_EQ(span(last + "attention.self.query").work.gradient_rows, sequences);
  EXPECT_EQ(span(last + "attention.self.key").work.rows, rows);
  EXPECT_EQ(span(last + "attention.self").work.pairs, rows);
  EXPECT_EQ(span(last + "output.dense").work.rows, sequences);
  EXPECT_EQ(span("classifier").work.calls, kSteps);
  EXPECT_EQ(span("optimizer.step").work.rows, kSteps * count_numbers(trainable_parameters(*model_)));
}

TEST_F(ProfilerTest, EventsAreNestedInTheSteps) {
  const Profile& profile = train();
  std::vector<const SpanEvent*>
      open;  // by their ends, the last first: those that enclose come before what they enclose
  int64_t steps = 0;
  for (auto event = profile.events.rbegin(); event != profile.events.rend(); ++event) {
    ASSERT_LE(event->begin, event->end);
    while (!open.empty() && open.back()->begin >= event->end && open.back()->span != 0)
      open.pop_back();
    if (event->span == 0) {
      open.clear();
      ++steps;
    } else {
      ASSERT_FALSE(open.empty());
      EXPECT_GE(event->begin, open.front()->begin);
      EXPECT_LE(event->end, open.back()->end);
    }
    open.push_back(&*event);
  }
  EXPECT_EQ(steps, kSteps);
}

TEST(Profiler, WhatIsComputedAgainInTheBackwardPassIsItsTimeAndNoWork) {
  Profiler profiler;
  profiler.start();
  const std::vector<c10::IValue> inputs = {torch::ones({5, 2})};
  {
    RECORD_USER_SCOPE(kStepSpan);
    { RECORD_USER_SCOPE_WITH_INPUTS("site", inputs); }
    {
      RECORD_USER_SCOPE(kBackwardSpan);
      { RECORD_USER_SCOPE_WITH_INPUTS("site", inputs); }
    }
  }
  profiler.stop();
  const Profile& profile = profiler.profile();
  ASSERT_EQ(profile.spans.size(), 3U);
  EXPECT_EQ(profile.spans[1].work.calls, 1);
  EXPECT_EQ(profile.spans[1].work.rows, 5);
  std::vector<bool> passes;
  for (const SpanEvent& event : profile.events)
    if (event.span == 1) passes.push_back(event.is_backward);
  EXPECT_EQ(passes, (std::vector<bool>{false, true}));
}

TEST(Profiler, OnlyWhatIsInAStepCountsAndOnlyWhileItListens) {
  Profiler profiler;
  const auto span_in_step = [] {
    RECORD_USER_SCOPE(kStepSpan);
    [] { RECORD_USER_SCOPE("inside"); }();
  };
  span_in_step();
  profiler.start();
  {
    RECORD_USER_SCOPE("evaluation");
    span_in_step();  // not a step: it is in something else
  }
  EXPECT_EQ(profiler.profile().steps, 0);
  span_in_step();
  profiler.stop();
  span_in_step();
  EXPECT_EQ(profiler.profile().steps, 1);
  ASSERT_EQ(profiler.profile().spans.size(), 2U);
  EXPECT_EQ(profiler.profile().spans[1].name, "inside");
  EXPECT_EQ(profiler.profile().spans[1].work.calls, 1);
}

TEST(Profiler, SpansEndWhereSomethingIsThrown) {
  Profiler profiler;
  profiler.start();
  const auto throwing_step = [] {
    RECORD_USER_SCOPE(kStepSpan);
    [] {
      RECORD_USER_SCOPE("inside");
      throw std::runtime_error("");
    }();
  };
  EXPECT_THROW(throwing_step(), std::runtime_error);
  EXPECT_THROW(throwing_step(), std::runtime_error);
  EXPECT_EQ(profiler.profile().steps, 2);
  EXPECT_EQ(profiler.profile().events.size(), 4U);
}

TEST(Profiler, MeasuresItself) { EXPECT_GT(Profiler::nanoseconds_per_span(), 0); }

}  // namespace
}  // namespace plugtune::train

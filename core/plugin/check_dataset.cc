// check_dataset.cc - what every dataset must keep to: settings, its task, every example, many threads.
#include <algorithm>
#include <set>
#include <thread>

#include "data/encode.h"
#include "formats/wording.h"
#include "plugin/check_case.h"
#include "plugtune/blocks/text_file.h"
#include "plugtune/error.h"
#include "plugtune/example_source.h"

namespace plugtune::plugin {
namespace {

constexpr const char* kMissingPath = "/plugtune/no/such/file";
constexpr size_t kExamplesTried = 20000;  // of each split
constexpr size_t kMostLabels = 63;        // bits of Example::label
constexpr int kThreads = 4;

constexpr std::pair<Split, const char*> kSplits[] = {
    {Split::kTrain, "train"}, {Split::kValidation, "validation"}, {Split::kTest, "test"}};

LoadedDataset open(const CheckSubject& subject) {
  if (std::get<ConfigNode::Table>(subject.options.settings.value).empty()) skip("opens files; give --data PATH");
  const Plugin plugin = subject.load();
  return plugin.create_dataset(settings_view(subject, plugin, subject.options.settings));
}

/// Making it from `settings` must fail with an Error that contains `expected`.
void expect_refused(const CheckSubject& subject, const ConfigNode& settings, const std::string& expected,
                    const std::string& what) {
  const Plugin plugin = subject.load();
  try {
    plugin.create_dataset_unchecked(settings_view(subject, plugin, settings));
  } catch (const Error& error) {
    if (std::string(error.what()).find(expected) != std::string::npos) return;
    fail("must refuse {} with a message that has \"{}\", but says: {}", what, expected, error.what());
  }
  fail("accepts {}", what);
}

std::string check_unknown_data_key(const CheckSubject& subject) {
  ConfigNode settings = subject.options.settings;
  if (std::get<ConfigNode::Table>(settings.value).empty()) skip("opens files; give --data PATH");
  settings.set(kUnknownKey, {int64_t{1}});
  expect_refused(subject, settings, fmt::format("data.{}: unknown key", kUnknownKey),
                 "unknown keys; its constructor must end with config.reject_unknown()");
  return "";
}

std::string check_missing_file(const CheckSubject& subject) {
  ConfigNode settings = subject.options.settings;
  if (settings.find("path") == nullptr) skip("needs a setting 'path'; give --data PATH");
  settings.set("path", {std::string(kMissingPath)});
  expect_refused(subject, settings, kMissingPath, "a path where nothing is");
  return "";
}

std::string check_open(const CheckSubject& subject) {
  const LoadedDataset loaded = open(subject);
  std::vector<std::string> sizes;
  for (const auto& [split, name] : kSplits) {
    const size_t size = loaded.dataset->size(split);
    if (size > 0) sizes.push_back(fmt::format("{} {}", formats::grouped(size), name));
  }
  if (sizes.empty()) fail("has no examples in any split");
  if (loaded.dataset->size(Split::kTrain) == 0)
    fail("has {}, but no training example: nothing can be trained", join(sizes));
  return join(sizes);
}

std::string check_task(const CheckSubject& subject) {
  const Task task = open(subject).dataset->task();
  const bool has_labels = task.kind == TaskKind::kClassification || task.kind == TaskKind::kMultiLabel;
  const size_t fewest = task.kind == TaskKind::kClassification ? 2 : 1;
  const size_t most = task.kind == TaskKind::kMultiLabel ? kMostLabels : SIZE_MAX;
  if (has_labels && (task.labels.size() < fewest || task.labels.size() > most)) {
    fail("a task of this kind must have {} labels, has {}",
         most == SIZE_MAX ? "2 or more" : fmt::format("1 to {}", most), task.labels.size());
  }
  if (!has_labels && !task.labels.empty()) fail("a task without labels has {} of them", task.labels.size());
  std::set<std::string> names;
  for (const std::string& label : task.labels) {
    if (label.empty()) fail("has a label without a name");
    if (!names.insert(label).second) fail("has two labels named '{}'", label);
  }
  return task.labels.empty() ? "" : "labels: " + join(task.labels);
}

std::string example_problem(const Example& example, const Task& task) {
  const auto is_utf8 = [](const std::string& text) { return first_non_utf8(text) == text.npos; };
  if (!is_utf8(example.text_a) || !is_utf8(example.text_b)) return "its text is not UTF-8";
  if (!task.pairs && !example.text_b.empty()) return "has a second text, but the task says that there are no pairs";
  const std::string problem = data::answer_problem(example, task);
  return problem.empty() ? "" : "has " + problem;
}

/// Of data that comes from files: the first and the last example stand in the split's.
std::string place_problem(const ExampleSource& source, Split split, size_t size) {
  const std::string file = source.file_name(split);
  if (file.empty()) return "its file_name() is empty";
  for (const size_t index : {size_t{0}, size - 1}) {
    const std::string place = source.place(split, index);
    if (place.find(file) == std::string::npos)
      return fmt::format("its place is '{}', which is not in the split's file '{}'", place, file);
  }
  return "";
}

std::string check_examples(const CheckSubject& subject) {
  const LoadedDataset loaded = open(subject);
  const Task task = loaded.dataset->task();
  size_t tried = 0;
  bool trains_text = loaded.dataset->size(Split::kTrain) > kExamplesTried;  // else one with a text is to be seen
  for (const auto& [split, name] : kSplits) {
    const size_t size = std::min(loaded.dataset->size(split), kExamplesTried);
    for (size_t i = 0; i < size; ++i, ++tried) {
      const Example example = loaded.dataset->at(split, i);
      const std::string problem = example_problem(example, task);
      if (!problem.empty()) fail("{} example {}: {}", name, i, problem);
      trains_text |= split == Split::kTrain && !(is_blank(example.text_a) && is_blank(example.text_b));
    }
    const auto* source = dynamic_cast<const ExampleSource*>(loaded.dataset.get());
    if (source == nullptr || size == 0) continue;
    const std::string problem = place_problem(*source, split, loaded.dataset->size(split));
    if (!problem.empty()) fail("{} examples: {}", name, problem);
  }
  if (!trains_text) fail("no training example has a text: nothing can be trained");
  return counted(tried, "example");
}

bool same_example(const Example& a, const Example& b) {
  return a.text_a == b.text_a && a.text_b == b.text_b && a.label == b.label && a.value == b.value;
}

/// The same examples in the same order: opened twice, and read by several threads at once.
std::string check_same_order(const CheckSubject& subject) {
  const LoadedDataset first = open(subject), second = open(subject);
  for (const auto& [split, name] : kSplits) {
    if (first.dataset->size(split) != second.dataset->size(split)) fail("has another size when it is opened again");
    const size_t size = std::min(first.dataset->size(split), kExamplesTried);
    std::vector<std::string> problems(kThreads);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t, split = split] {
        try {
          for (size_t i = 0; i < size; ++i) {
            // Forwards in one object, backwards in the other: neighbours in time are never neighbours in place.
            const size_t index = t % 2 == 0 ? i : size - 1 - i;
            if (!same_example(first.dataset->at(split, index), second.dataset->at(split, index))) {
              problems[t] =
                  fmt::format("example {} differs when it is opened again, or read by several threads at once", index);
              return;
            }
          }
        } catch (const std::exception& error) {
          problems[t] = error.what();
        }
      });
    }
    for (std::thread& thread : threads)
      thread.join();
    for (const std::string& problem : problems) {
      if (!problem.empty()) fail("{} {}", name, problem);
    }
  }
  return "";
}

}  // namespace

const std::vector<CheckCase>& dataset_cases() {
  static const std::vector<CheckCase> kCases = {
      {"unknown-key", "descriptor", "refuses a key that it does not know, with its path", check_unknown_data_key},
      {"missing-file", "descriptor", "names the path where nothing is", check_missing_file},
      {"open", "descriptor", "opens the data that it was given", check_open},
      {"task", "open", "says what is to be learned", check_task},
      {"examples", "task", "every example fits the task", check_examples},
      {"same-order", "open", "gives the same examples again, also to several threads", check_same_order},
  };
  return kCases;
}

}  // namespace plugtune::plugin

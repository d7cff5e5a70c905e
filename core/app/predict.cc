// predict.cc - `plugtune predict`: labels for lines of text, or words for their masks.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>

#include "app/answers.h"
#include "app/command_line.h"
#include "app/data_split.h"
#include "app/fill_masks.h"
#include "app/several_runs.h"
#include "formats/wording.h"
#include "plugtune/blocks/text_file.h"
#include "plugtune/example_source.h"

namespace plugtune::app {
namespace {

constexpr int64_t kWordsTold = 5;      // of each mask
constexpr size_t kLinesAtOnce = 8192;  // answers appear while a long input is still being read

/// One text per line; a tab separates the second text of a pair.
class Lines : public Dataset {
 public:
  Lines(std::vector<std::string> lines, const Task& task) : lines_(std::move(lines)), task_(task) {}
  Task task() const override { return task_; }
  size_t size(Split) const override { return lines_.size(); }
  Example at(Split, size_t index) const override {
    const std::string& line = lines_[index];
    const size_t tab = task_.pairs ? line.find('\t') : std::string::npos;
    Example example;
    example.text_a = line.substr(0, tab);
    if (tab != std::string::npos) example.text_b = line.substr(tab + 1);
    return example;
  }

 private:
  std::vector<std::string> lines_;
  Task task_;
};

/// Rows of a split without their labels, which need not be known, nor be of the run's task.
class Unlabelled : public Dataset {
 public:
  /// Rows [begin, begin + size) of `split`. The data set must outlive this.
  Unlabelled(const Dataset& dataset, Split split, size_t begin, size_t size, Task task)
      : dataset_(dataset),
        split_(split),
        begin_(begin),
        size_(size),
        task_(std::move(task)) {
    task_.pairs = dataset.task().pairs;
  }
  Task task() const override { return task_; }
  size_t size(Split) const override { return size_; }
  Example at(Split, size_t index) const override {
    Example example = dataset_.at(split_, begin_ + index);
    return {std::move(example.text_a), std::move(example.text_b)};
  }

 private:
  const Dataset& dataset_;
  Split split_;
  size_t begin_, size_;
  Task task_;
};

enum class Mode : int32_t { kEach = 1, kAverage, kByLine };

/// What was asked for, and where it has got to in the input.
struct Prediction {
  SeveralRuns runs;
  Mode mode = Mode::kEach;
  bool as_json = false;
  std::string input;      // how messages call it
  size_t lines_read = 0;  // and answered, before the lines at hand
};

/// One column, or one field, for each run; of one answer the answer itself.
void print(const Prediction& prediction, const std::vector<Tensor>& logits, int64_t row) {
  const Task& task = prediction.runs.task();
  if (!prediction.as_json) {
    std::vector<std::string> columns;
    for (const Tensor& of_run : logits)
      columns.push_back(answer_text(of_run[row], task));
    std::cout << join(columns, "\t") << "\n";
    return;
  }
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (size_t run = 0; run < logits.size(); ++run) {
    nlohmann::ordered_json answer = answer_json(logits[run][row], task);
    if (logits.size() == 1) {
      json.update(answer);
    } else {
      json[prediction.runs.names[run]] = std::move(answer);
    }
  }
  std::cout << json.dump() << "\n";
}

/// "reviews.txt:3"
std::string line_place(const Prediction& prediction, size_t number) {
  return fmt::format("{}:{}", prediction.input, number);
}

/// Where the task has pairs a line without a second text would be answered all the same, and wrongly.
void check_pair(const Prediction& prediction, const std::string& line, size_t number) {
  if (!prediction.runs.task().pairs) {
    if (number == 1 && line.find('\t') != line.npos)
      std::cerr << fmt::format("note  {}: has a tab, which is read as a space: the run was not trained on pairs\n",
                               line_place(prediction, number));
    return;
  }
  const auto tabs = std::ranges::count(line, '\t');
  const std::string got = tabs == 0        ? "no tab"
                          : tabs > 1       ? fmt::format("{} tabs", tabs)
                          : is_blank(line) ? "no text"
                                           : "";
  if (got.empty()) return;
  throw Error(fmt::format("{}: must be two texts with a tab between, got {}", line_place(prediction, number), got));
}

/// Of each run, or their mean alone.  (rows, labels) each
std::vector<Tensor> logits_of(Prediction& prediction, const Dataset& texts) {
  SeveralRuns& runs = prediction.runs;
  std::vector<Tensor> logits;
  for (size_t run = 0; run < runs.names.size(); ++run)
    logits.push_back(predict_with(runs, run, encode_with(runs, run, texts, Split::kTest)).logits);
  if (prediction.mode == Mode::kAverage) return {average_logits(runs.task().kind, logits)};
  return logits;
}

void predict_each(Prediction& prediction, std::vector<std::string> lines) {
  for (size_t i = 0; i < lines.size(); ++i)
    check_pair(prediction, lines[i], prediction.lines_read + i + 1);
  const std::vector<Tensor> logits = logits_of(prediction, Lines(std::move(lines), prediction.runs.task()));
  for (int64_t line = 0; line < logits.front().size(0); ++line)
    print(prediction, logits, line);
}

/// The rows of a data set, in their order.
void predict_data(Prediction& prediction, const Dataset& dataset, Split split) {
  const auto* source = dynamic_cast<const ExampleSource*>(&dataset);
  if (const size_t left_out = source != nullptr ? source->left_out(split) : 0; left_out > 0)
    std::cerr << fmt::format(
        "note  {} of {} without text: left out, they have no answer\n",
        left_out == 1 ? "a row" : fmt::format("{} rows", formats::grouped(static_cast<int64_t>(left_out))),
        source->file_name(split));
  const size_t size = dataset.size(split);
  for (size_t begin = 0; begin < size; begin += kLinesAtOnce) {
    const Unlabelled texts(dataset, split, begin, std::min(kLinesAtOnce, size - begin), prediction.runs.task());
    const std::vector<Tensor> logits = logits_of(prediction, texts);
    for (int64_t row = 0; row < logits.front().size(0); ++row)
      print(prediction, logits, row);
    std::cout.flush();
  }
}

/// Which run a line names; what it names is taken off the line.
size_t take_run(const Prediction& prediction, std::string& line, size_t number) {
  const std::vector<std::string>& names = prediction.runs.names;
  const size_t tab = line.find('\t');
  if (tab == std::string::npos) {
    throw Error(fmt::format("{}: must start with a run and a tab, got '{}'; runs: {}", line_place(prediction, number),
                            line, join(names)));
  }
  const std::string name = line.substr(0, tab);
  const auto at = std::ranges::find(names, name);
  if (at == names.end()) {
    throw Error(fmt::format("{}: starts with '{}', which is none of the runs {}{}", line_place(prediction, number),
                            name, join(names), did_you_mean(name, names)));
  }
  line.erase(0, tab + 1);
  return static_cast<size_t>(at - names.begin());
}

void predict_by_line(Prediction& prediction, std::vector<std::string> lines) {
  SeveralRuns& runs = prediction.runs;
  std::vector<std::vector<std::string>> texts(runs.names.size());
  std::vector<std::vector<int64_t>> places(runs.names.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const size_t number = prediction.lines_read + i + 1;
    const size_t run = take_run(prediction, lines[i], number);
    check_pair(prediction, lines[i], number);
    texts[run].push_back(std::move(lines[i]));
    places[run].push_back(static_cast<int64_t>(i));
  }
  std::vector<data::EncodedSplit> encoded;
  for (size_t run = 0; run < texts.size(); ++run)
    encoded.push_back(encode_with(runs, run, Lines(std::move(texts[run]), runs.task()), Split::kTest));
  const Tensor logits = predict_mixed(runs, encoded, places);
  for (int64_t line = 0; line < logits.size(0); ++line)
    print(prediction, {logits}, line);
}

void predict_lines(Prediction& prediction, std::vector<std::string> lines) {
  const size_t count = lines.size();
  prediction.mode == Mode::kByLine ? predict_by_line(prediction, std::move(lines))
                                   : predict_each(prediction, std::move(lines));
  prediction.lines_read += count;
  std::cout.flush();
}

int64_t read_top(const CommandLine& line) {
  const int64_t top = line.whole_number("top", kWordsTold, 1);
  if (line.has("top") && line.text("format") != "jsonl")
    throw Error("predict: --top needs --format jsonl; text is the best filling alone");
  return top;
}

using AnswerLines = std::function<void(std::vector<std::string>)>;

/// What answers lines: labels, or of a masked-LM run words in the place of masks.
AnswerLines answering(Prediction& prediction, const CommandLine& line) {
  if (prediction.runs.task().kind != TaskKind::kText) {
    if (line.has("top")) throw Error("predict: --top is of masked-lm runs alone; this one answers with labels");
    if (prediction.mode == Mode::kByLine) check_can_share_a_batch(prediction.runs);
    return [&](std::vector<std::string> lines) { predict_lines(prediction, std::move(lines)); };
  }
  if (prediction.runs.names.size() > 1 || prediction.mode != Mode::kEach)
    throw Error("predict: masked-lm runs fill masks one run at a time, without --average and --by-line");
  const auto filler = std::make_shared<MaskFiller>(prediction.runs.sessions.front(), read_top(line));
  return [&, filler](const std::vector<std::string>& lines) {
    for (const Filling& filling : filler->fill(lines, prediction.input, prediction.lines_read + 1))
      std::cout << (prediction.as_json ? filling_json(filling) : filling.text) << "\n";
    prediction.lines_read += lines.size();
    std::cout.flush();
  };
}

/// Answers the data set that --data names instead of lines.
int predict_data_set(Prediction& prediction, const CommandLine& line) {
  if (line.has("input")) throw Error("predict: --input and --data exclude each other: texts come from one of them");
  if (line.has("by-line")) throw Error("predict: --by-line is of lines; rows of a data set name no run");
  if (prediction.runs.task().kind == TaskKind::kText)
    throw Error("predict: --data is of runs that answer with labels; masked-lm runs fill the [MASK]s of lines");
  Session& first = prediction.runs.sessions.front();
  open_texts(first);
  predict_data(prediction, *first.dataset->dataset, chosen_split(line, first));
  return kDone;
}

/// Opens --input where it is a file, and says how messages call it.
std::string open_input(const std::string& input, std::ifstream& file) {
  if (input.empty() || input == "-") return "standard input";
  std::error_code ignored;
  if (std::filesystem::is_directory(input, ignored))
    throw Error(fmt::format("{}: is a directory; --input takes a file with a text in each line", input));
  file.open(input);
  if (!file && errno == ENOENT) throw Error(formats::not_found(input));
  if (!file) throw Error(fmt::format("{}: cannot be read: {}", input, std::strerror(errno)));
  return input;
}

/// Texts are not arguments, and a file of them is not a run.
void check_runs(const std::vector<std::string>& runs) {
  std::error_code ignored;
  for (const std::string& run : runs) {
    if (std::filesystem::is_directory(run, ignored)) continue;
    if (std::filesystem::exists(run, ignored))
      throw Error(fmt::format("{}: is a file, not a run; texts are read with --input {}", run, run));
    throw Error(formats::not_found(run) + "; predict takes runs, and the texts from --input FILE or standard input");
  }
}

/// A file of columns is read as lines like any other, which is rarely what was meant.
void warn_of_columns(const std::string& input) {
  for (const char* ending : {".csv", ".json", ".jsonl"}) {
    if (!input.ends_with(ending)) continue;
    std::cerr << fmt::format(
        "note  {0}: each line is taken for a text, as it stands: headers, quotes and other columns too; columns are "
        "read with --data table:{0}\n",
        input);
  }
}

void answer_all(std::istream& in, const Prediction& prediction, const AnswerLines& answer) {
  std::vector<std::string> lines;
  for (std::string text; std::getline(in, text);) {
    if (text.ends_with('\r')) text.pop_back();
    if (const size_t at = first_non_utf8(text); at != std::string::npos) {
      throw Error(fmt::format("{}: must be UTF-8, got byte 0x{:02X} at position {}",
                              line_place(prediction, prediction.lines_read + lines.size() + 1),
                              static_cast<uint8_t>(text[at]), formats::grouped(static_cast<int64_t>(at))));
    }
    lines.push_back(std::move(text));
    if (lines.size() < kLinesAtOnce) continue;
    answer(std::move(lines));
    lines.clear();
  }
  if (in.bad()) throw Error(fmt::format("{}: cannot be read to its end", prediction.input));
  if (!lines.empty()) answer(std::move(lines));
}

}  // namespace

int predict_command(const Arguments& arguments) {
  CommandLine line(
      "predict",
      "Predicts a label for each line of text; of a task of pairs each line is two texts with a tab between.\n"
      "jsonl gives {\"label\", \"probabilities\", \"logits\"} for each line, in the order of the run's labels.\n"
      "Several runs share one loaded base: each gives a column (jsonl: a field), or --average one answer,\n"
      "or --by-line each line its own run.\n"
      "--data answers the rows of a file or folder that a data set plugin reads, as `eval --data` does, without\n"
      "looking at their labels.\n"
      "A masked-lm run fills the [MASK]s of each line; jsonl gives {\"text\", \"masks\"} with the --top words of each.",
      {"echo '정말 재미있는 영화' | plugtune predict runs/quickstart",
       "plugtune predict runs/quickstart --input reviews.txt --format jsonl > answers.jsonl",
       "plugtune predict runs/quickstart --data table:new.csv --set data.text=review --set data.label=",
       "plugtune predict runs/a runs/b --average --input reviews.txt",
       "echo '이 영화는 정말 [MASK]' | plugtune predict runs/masked --format jsonl --top 10",
       "printf 'runs/a\\t재미있다\\nruns/b\\t지루하다\\n' | plugtune predict runs/a runs/b --by-line"});
  line.positional("run", /*many=*/true)
      .value("input", "FILE", "read from a file; without it, or as -, from standard input")
      .choice("format", {"text", "jsonl"}, "how answers are printed")
      .value("model", "BASE", "the base model, where it lies elsewhere than when the run was trained")
      .flag("average", "one answer: the mean of the runs' probabilities, of a regression of their values")
      .flag("by-line", "each line starts with the run that answers it, named as here, and a tab")
      .choice("precision", {"fp32", "bf16"}, "bf16: faster on processors with AMX or AVX512-BF16, logits to two digits")
      .value("top", "N", "masked-lm: words told of each mask; without it 5")
      .plugin_path();
  add_data_options(line, "the rows of a data set instead of lines, whose labels do not count");
  if (!line.parse(arguments)) return kDone;
  if (line.has("average") && line.has("by-line")) {
    throw Error("predict: --average and --by-line exclude each other: a line has either all runs or its own");
  }

  if (!line.has("data") && (line.has("split") || line.has("set")))
    throw Error("predict: --split and --set are of the data set that --data names");

  std::ifstream file;
  Prediction prediction;
  check_runs(line.texts("run"));
  prediction.input = open_input(line.text("input"), file);
  warn_of_columns(prediction.input);
  prediction.runs = open_runs(line.texts("run"), line.search_path(), line.text("precision"),
                              {line.text("model"), {line.text("data"), line.texts("set")}});
  prediction.mode = line.has("average") ? Mode::kAverage : line.has("by-line") ? Mode::kByLine : Mode::kEach;
  prediction.as_json = line.text("format") == "jsonl";
  if (line.has("data")) return predict_data_set(prediction, line);
  try {
    answer_all(file.is_open() ? file : std::cin, prediction, answering(prediction, line));
  } catch (const Error& error) {
    // Answers of the lines before these are with the reader already.
    if (prediction.lines_read == 0) throw;
    throw Error(fmt::format("{}; lines 1 to {} are answered", error.what(), prediction.lines_read));
  }
  return kDone;
}

}  // namespace plugtune::app

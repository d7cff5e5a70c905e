// progress.cc - training as a person follows it: a live line on a terminal, plain lines elsewhere.
#include "report/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <ostream>

#include "formats/wording.h"
#include "report/text_table.h"
#include "train/result_json.h"

namespace plugtune::report {

namespace {

constexpr int kUnlimited = 1 << 20;

struct Part {
  std::string text;
  int rank;  // the lowest stays longest
};

std::vector<Part> parts_of(const train::StepReport& report) {
  using formats::grouped;
  std::vector<Part> parts = {{fmt::format("step {}/{}", grouped(report.step), grouped(report.total_steps)), 0},
                             {fmt::format("epoch {:.2f}", report.epoch), 4},
                             {fmt::format("loss {}", metric_text(report.loss)), 1}};
  if (report.accuracy >= 0) parts.push_back({fmt::format("accuracy {}", metric_text(report.accuracy)), 3});
  parts.push_back({fmt::format("{} tokens/s", grouped(std::llround(report.tokens_per_second))), 5});
  parts.push_back({fmt::format("{} left", duration_text(report.seconds_left)), 2});
  return parts;
}

}  // namespace

Terminal Terminal::of(int descriptor) {
  if (!::isatty(descriptor)) return {};
  return {true, [descriptor] {
            winsize size{};
            return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? static_cast<int>(size.ws_col) : 80;
          }};
}

std::string step_line(const train::StepReport& report, int width) {
  const std::vector<Part> parts = parts_of(report);
  // Every rank from the least important down, until what is left fits.
  std::string line;
  for (int worst = 5; worst >= 0; --worst) {
    line.clear();
    for (const Part& part : parts) {
      if (part.rank <= worst) line += (line.empty() ? "" : "  ") + part.text;
    }
    if (static_cast<int>(line.size()) <= width) return line;
  }
  return line.substr(0, static_cast<size_t>(std::max(width, 0)));
}

std::string evaluation_line(const train::EvalReport& report) {
  std::string line = fmt::format("epoch {}: train loss {}", epoch_text(report.epoch), metric_text(report.train_loss));
  for (const auto& [name, value] : report.eval.values)
    line += fmt::format(", {} {}", name, metric_text(value));
  return line + fmt::format(" ({}, evaluation {}){}", duration_text(report.seconds), duration_text(report.eval_seconds),
                            report.is_best ? ", the best so far" : "");
}

Progress::Progress(std::ostream& out, Terminal terminal, bool quiet)
    : out_(out),
      terminal_(std::move(terminal)),
      quiet_(quiet) {}
Progress::~Progress() { erase(); }

void Progress::erase() {
  if (!drawn_) return;
  out_ << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

void Progress::print(const std::string& line) {
  if (quiet_) return;
  erase();
  out_ << line << std::endl;
}

void Progress::on_step(const train::StepReport& report) {
  if (quiet_) return;
  if (!terminal_.live) return print(step_line(report, kUnlimited));
  // One column less than there are: a full line would wrap in some terminals.
  out_ << "\r\x1b[K" << step_line(report, terminal_.width() - 1) << std::flush;
  drawn_ = true;
}

void Progress::on_evaluation(const train::EvalReport& report) { print(evaluation_line(report)); }
void Progress::on_message(const std::string& line) { print(line); }

void LoggedListener::on_step(const train::StepReport& report) {
  nlohmann::ordered_json line = {{"step", report.step}, {"epoch", report.epoch}, {"loss", report.loss}};
  if (!std::isnan(report.auxiliary_loss)) line["auxiliary_loss"] = report.auxiliary_loss;
  if (report.accuracy >= 0) line["accuracy"] = report.accuracy;
  line["learning_rate"] = report.learning_rate;
  line["grad_norm"] = report.grad_norm;
  line["tokens_per_second"] = report.tokens_per_second;
  log_.append(line);
  shown_.on_step(report);
}

void LoggedListener::on_evaluation(const train::EvalReport& report) {
  log_.append(train::evaluation_json(report));
  shown_.on_evaluation(report);
}

void LoggedListener::on_message(const std::string& line) { shown_.on_message(line); }

}  // namespace plugtune::report

// check_explain.cc - `plugtune check --explain`: what each test does, what relies on it, and how to repair what it finds.
#include <algorithm>
#include <iterator>

#include "plugin/check_case.h"

namespace plugtune::plugin {
namespace {

constexpr CheckExplanation kExplanations[] = {
    {"stamp",
     "Reads the file without loading it: a whole shared library for this machine, with plugtune's stamp in it, "
     "whose fields (SDK, libtorch, compiler, C++ ABI) are those of this plugtune.",
     "Tensors, strings and modules cross the border as C++ objects. Two binaries that disagree about their layout "
     "do not fail with a message, they compute nonsense.",
     "Build it again with plugtune_add_plugin() against this plugtune; the message has the command. With another "
     "compiler: name plugtune's own with -DCMAKE_CXX_COMPILER."},
    {"load", "Loads the library with every symbol resolved, and takes the time. More than 200 ms is a warning.",
     "`plugtune plugins` loads all that it finds. A symbol that is missing would end a training in the step that "
     "first needs it.",
     "List the source that defines the symbol under SOURCES. For time: do nothing in constructors of global "
     "variables; what takes long belongs into the strategy's or dataset's constructor."},
    {"exports", "Lists the symbols that the library shows: plugtune_* and what every library has.",
     "All plugins of a run are in one process. Two that show a function of the same name could call each other's.",
     "Build it with plugtune_add_plugin(), which hides everything else. Built by hand: -fvisibility=hidden and the "
     "linker's version script plugtune_exports.map."},
    {"descriptor",
     "Reads name, version, kind and items out of the loaded library and holds them against the file's name, "
     "<name>.strategy.so or <name>.dataset.so.",
     "An experiment names a plugin by its file; runs remember it by the name inside. They must be one.",
     "Give PLUGTUNE_STRATEGY or PLUGTUNE_DATASET the name that the target has in CMakeLists.txt."},
    {"names", "Offers the same file under two longer names. Both must be refused.",
     "A copy under another name would be recorded in runs under a name that nobody finds again.",
     "The name stands in PLUGTUNE_STRATEGY or PLUGTUNE_DATASET as a string of its own, not as what the file is "
     "called at run time."},
    {"unknown-key",
     "Hands over settings with a key that nobody knows. The constructor must refuse them and name the key.",
     "A key that is misspelt and ignored trains something else than the file says, for hours.",
     "End the constructor with config.reject_unknown(), after every key was read."},
    {"defaults",
     "Makes the strategy from its settings, and once more from the table in which every default is filled in. Both "
     "must read the same.",
     "A run directory keeps that table, and evaluating, resuming and merging read it back.",
     "A default must lie within the range that it is read with, and read as what was written: no settings that "
     "change others, none under a second name. Without sensible defaults declare PLUGTUNE_FLAG_NEEDS_SETTINGS and "
     "check with --settings, or with --in-front where it builds on other strategies."},
    {"forward",
     "Attaches the strategy to a small random encoder, runs every patched site by itself and then the model, in "
     "both modes: shapes and types as each site promises, logits that are finite.",
     "The span behind a site is computed without looking again. A wrong shape would broadcast and train on.",
     "The message names the site. sites.h says what each must return; N is the rows of the whole batch, and a head "
     "or the last layer may be handed one row per sequence."},
    {"base-untouched",
     "Compares the model's own weights before and after apply(), and looks whether one lets itself train unasked.",
     "A delta holds what patches own and what was asked for. A weight that is changed in place is in neither: the "
     "finished run would compute something else than the one that was evaluated.",
     "Keep what differs in a parameter of a patch. To train a weight of the base, ask with model.train_base(name)."},
    {"two-models",
     "Attaches the strategy to two models. They must share no memory, and training one must not change the other.",
     "Several runs are evaluated in one process, and a strategy may stand twice in one experiment.",
     "Make parameters in apply() or in the patch's constructor. No static variables, no tensors in the strategy "
     "that all its patches register."},
    {"identity",
     "Compares the logits before and after apply(): equal to 1e-5, unless the plugin declares that they are not.",
     "Training then begins where pretraining ended; a start that is off costs a part of the training to undo.",
     "Start one factor of a product at zero, or a scale at one. Where that is not the method, give "
     "PLUGTUNE_STRATEGY the flag PLUGTUNE_FLAG_NOT_IDENTITY."},
    {"gradients",
     "Two training steps. Every trainable number must be reached by a gradient in one of them, nothing that is "
     "frozen may get one, and nothing frozen may change.",
     "What gets no gradient stays as it was drawn, silently. A frozen weight with a gradient costs the memory and "
     "time that the method is there to save.",
     "Use the parameter in forward(), not detached and not under NoGradGuard. A factor that starts at zero hides "
     "the other one for a step only. What is not to train is a buffer: register_buffer()."},
    {"finite-differences",
     "Trains three steps, turns the model into float64 and compares gradients with central differences: two "
     "numbers of each tensor that trains, and of the word embedding, whose gradient is what the patches hand down. "
     "They must agree to 1e-3. Dropout is on, with the same masks each time. Skipped where the loss is not smooth "
     "(kinks or steps wherever it was tried) or not the same twice.",
     "autograd believes a backward function. A wrong one still makes the loss fall, only less well, and no other "
     "test sees it.",
     "Look at the backward() of your torch::autograd::Function: a factor, a transposed matrix, a sum over rows "
     "that is missing, the gradient of the input. Without one of your own, look for .detach() and .data(). A "
     "method whose gradient is on purpose another (a straight-through estimator) fails this test and may."},
    {"loss-falls", "Twenty steps of AdamW on one batch. The loss must be smaller afterwards.",
     "It is the whole point. Twenty steps on the same batch make it fall for any method whose gradient points the "
     "right way.",
     "A gradient of the wrong sign, a scale far too large, or a step observer that undoes the step. "
     "finite-differences says whether it is the gradient."},
    {"same-seed", "Two trials with the same seed: equal to the bit after apply(), and after three steps.",
     "plugtune promises that an experiment that is trained again, or resumed, gives the same bits. Without that, "
     "methods cannot be compared by seeds.",
     "Draw from torch's default generator only (torch::randn, normal_): no std::random_device, no clock, no order "
     "of addresses or of unordered containers."},
    {"save-load",
     "Saves what three steps changed, loads it into another model with another start, and compares the output to "
     "the bit; also what CustomState saves.",
     "The delta is all that is kept of a training. Checkpoints, evaluation and merging are made of it.",
     "Register everything that training changes or that is drawn: register_parameter() or register_buffer(). What "
     "can be in neither is for CustomState, and is in checkpoints only."},
    {"bad-state",
     "Offers deltas that are empty, lack a tensor, have one too many, one of another shape, or a file that is cut "
     "off; and foreign states to CustomState. Each must be refused, and nothing be changed by it.",
     "A half-loaded adapter computes, and nobody notices.",
     "plugtune judges tensors by itself. load_state() must check that the text is one of save_state()'s before it "
     "changes anything, and throw plugtune::Error."},
    {"exchange",
     "Writes the delta for peft and for AdapterHub's library and reads it back: the same output to 1e-5. A file "
     "that lacks a tensor, or has one too many, must be noticed. Skipped without an Exchange.",
     "`plugtune export` and `import` promise exact files or none.",
     "take() every tensor of the file by name and shape, reject_unknown_fields() what describes and does not "
     "compute. What their files cannot say is an Error of write()."},
    {"fold",
     "Lets every foldable patch change its weight and compares the bare layer with the patched one, in double: "
     "equal to 1e-5; then the same of the whole model. Skipped when no patch is Foldable.",
     "`plugtune merge` writes the folded weights as a plain model, which nobody compares with the run again.",
     "fold() must be what forward() computes in evaluation mode: the bias, the scale, the transposition. A patch "
     "that cannot be absorbed exactly is not Foldable."},
    {"packed",
     "A batch of eight sequences, one of a single token, against each sequence alone: equal to 1e-5. Then the same "
     "with all rows of the last layer computed.",
     "Sequences lie one after another without padding, and which stand together is chance. Rows that no head reads "
     "are not computed where patches say row_wise().",
     "Ask the layout where each sequence begins. Means, norms and sorts over all rows mix sequences; nothing is "
     "kept from one call for the next. row_wise() is true only if no other row is looked at."},
    {"types",
     "The trained strategy in a float64 and in a bfloat16 model: every site returns that type, and the logits "
     "differ by no more than rounding.",
     "precision = \"bf16\" turns model and patches into bfloat16; folding uses float64.",
     "Make tensors with the options of the input (torch::zeros(size, x.options())), not with a fixed type. Numbers "
     "that are no parameters are doubles of C++."},
    {"modes", "Evaluation draws no random numbers and gives the same bits twice.",
     "A score must be the same whenever it is computed, and evaluating between two steps must not change the "
     "training.",
     "Drop out only while is_training(): torch::dropout(x, p, is_training()). A patch asks itself, not the "
     "strategy."},
    {"report", "Collects what a Reporter has to show of one batch: each table has as many values as names.",
     "A run asks once, in its last evaluation. Tables that are not what they say are told and left out of its report.",
     "values of a ReportTable is a tensor (rows, columns), one name for each row and for each column."},
    {"speed",
     "The fastest of a few training steps of the small model with this strategy, with all weights training, and "
     "with the head alone, measured in turn. It is told and never judged.",
     "On so small a model what costs is the number of operations, not their size: a strategy that takes longer "
     "than all weights training calls too many. `plugtune bench` measures a real model.",
     "Compute in forward() what depends on the input only; look strings, maps and settings up in constructors. "
     "`plugtune bench --profile` shows where a step goes, by site and patch."},
    {"missing-file", "Gives a path where nothing is. The constructor must refuse it with a message that has the path.",
     "A path is what users get wrong most often.",
     "Check that a file could be opened, and throw plugtune::Error(path + \": ...\")."},
    {"open", "Opens the data that --data names, and counts the splits. The training split must have examples.",
     "Everything after it works on examples, and training begins with them.",
     "Open files in the constructor, after config.reject_unknown(). Throw plugtune::Error with path and line for "
     "what is wrong with them."},
    {"task", "Reads task(): labels that have names, no two the same, as many as the kind of task needs.",
     "The head gets an output for each label, and runs keep their names.",
     "Labels come from the settings or from the data, in a fixed order; of two, the last is the positive one. A "
     "regression and plain text have none."},
    {"examples",
     "Reads up to 20,000 examples of each split: text that is UTF-8, and not blank in all of training, a label of the "
     "task, a number that a float can hold, a second text only in tasks of pairs. Where the data set says in which "
     "file "
     "an example stands, it is the split's.",
     "The tokenizer and the loss read them without looking again.",
     "Refuse a bad line in the constructor, with path and line, instead of handing it out."},
    {"same-order",
     "Opens the data twice and reads it with four threads, forwards and backwards: the same examples in the same "
     "places.",
     "plugtune shuffles by itself, from the seed, and resumes in the middle of an epoch; it reads with several "
     "threads.",
     "Read everything in the constructor; at() only looks up. Sort what comes from a directory or a hash table."},
};

}  // namespace

const CheckExplanation& explanation_of(const std::string& test) {
  const auto at =
      std::ranges::find_if(kExplanations, [&](const CheckExplanation& explained) { return explained.test == test; });
  TORCH_INTERNAL_ASSERT(at != std::end(kExplanations), "no explanation of the test ", test);
  return *at;
}

}  // namespace plugtune::plugin

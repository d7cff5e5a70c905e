#!/usr/bin/env bash
# shipped_test.sh - every plugin that plugtune comes with passes its own check, with its defaults and in its main variants.
#
#   shipped_test.sh BUILD_DIRECTORY
set -euo pipefail
build=$1
plugtune=$build/bin/plugtune
source=$(cd "$(dirname "$0")/../.." && pwd)
failed=0

# check NAME [arguments]: prints what was found only when something is wrong.
check() {
  local output code=0
  output=$("$plugtune" check "$@" --in-process) || code=$?
  if ((code == 0)); then
    echo "ok    $*: $(tail -1 <<< "$output")"
  else
    echo "FAIL  $*"
    echo "$output"
    failed=1
  fi
}

for file in "$build"/lib/plugtune/*.so; do
  check "$file"
done
check lora --settings 'targets = ["query", "ffn_down", "word_embeddings"]' --settings 'rank_stabilized = true' --settings 'dropout = 0.1'
check lora --settings 'gate = true' --settings 'targets = "all-linear"'
for config in double_seq_bn par_bn scaled_par_bn adapter_plus compacter compacter++; do
  check adapter --settings "config = \"$config\""
done
check adapterdrop --settings 'config = "houlsby"' --settings 'drop_at_inference = 1'
check adalora --settings 'target_rank = 2' --settings 'final_steps = 2' --settings 'dropout = 0.1'
check intrinsic --settings 'structure_aware = false' --settings 'dimension = 7' --settings 'targets = ["query", "ffn_up"]'
check full --settings 'freeze_layers = 1' --settings 'layer_decay = 0.9'
check adapterfusion --settings 'sources = ["adapter:1", "adapter:2"]'
check adapterfusion --settings 'sources = ["adapter:1", "adapter:2"]' --settings 'config = "static"'
check mixture --in-front lora --in-front 'lora targets = ["query", "ffn_up"], rank_stabilized = true'
check mixture --in-front ia3 --in-front vera --in-front adapter --settings 'width = 5'
check mixture --in-front lora
check ia3 --settings 'convention = "adapters"'
check ia3 --settings 'targets = ["query", "attention_output", "ffn_up"]' --settings 'feedforward = ["attention_output"]' --settings 'layers = "1"'
check prefix --settings 'flat = false' --settings 'shift_positions = true' --settings 'dropout = 0.1'
check prefix --settings 'leave_out = [0]'
check prefix --settings 'gate = true' --settings 'dropout = 0.1'
check prompt --settings 'place = "words"' --settings 'prompt_init = "sample_vocab"'
check prompt --settings 'combine = "prefix_after_bos"'
check bitfit --settings 'what = "layer_norm"'
check bitfit --settings 'what = ["bias", "layer_norm"]' --settings 'targets = ["query", "after_ffn"]'
check text --data "$source/datasets/text/sample"
check text --data "$source/datasets/text/sample/train.txt" --settings 'unit = "document"'
check text --data "$source/datasets/text/sample/train.txt" --settings 'validation_share = 0.1' --settings 'test_share = 0.2'
exit $failed

#!/usr/bin/env bash
# regenerate.sh: makes every golden file of this folder again with the real libraries (see README.md).
#
#   tests/golden/regenerate.sh             all of them, about two minutes after scripts/peers.sh
#   tests/golden/regenerate.sh adapters    one generator: tiny, transformers, masked_lm, pretraining, peft, loralib, adapters, tokenizer, wordpiece, metrics, events, statistics
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
peers=${PLUGTUNE_CACHE:-$HOME/.cache/plugtune}/peers
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0

"$here/../../scripts/peers.sh" hf adapters tensorboard
[ $# -gt 0 ] || set -- tiny transformers masked_lm pretraining peft peft_variants peft_methods peft_combine peft_merge peft_bin peft_adalora intrinsic mixture loralib tokenizer wordpiece metrics events statistics adapters adapters_exchange adapters_stack adapters_lora adapters_methods adapters_union
for name in "$@"; do
  script=$here/generate_$name.py
  [ -f "$script" ] ||
    { echo "regenerate: unknown generator '$name'; generators: tiny, transformers, masked_lm, pretraining, peft, peft_variants, peft_methods, peft_combine, peft_merge, peft_bin, peft_adalora, intrinsic, mixture, loralib, adapters, adapters_exchange, adapters_stack, adapters_lora, adapters_methods, adapters_union, tokenizer, wordpiece, metrics, events, statistics" >&2; exit 2; }
  environment=hf
  [[ $name = adapters* ]] && environment=adapters
  [[ $name = events ]] && environment=tensorboard
  echo "regenerate: $name (environment $environment)"
  "$peers/$environment/bin/python" "$script"
done
echo "regenerate: done; git diff --stat tests/golden shows what changed"

"""load_in_peers.py: what plugtune exports, loaded by the libraries that it is for, gives the libraries' own logits.

    P=${PLUGTUNE_CACHE:-~/.cache/plugtune}/peers
    $P/hf/bin/python       tests/exchange/load_in_peers.py build/release/bin/plugtune peft
    $P/adapters/bin/python tests/exchange/load_in_peers.py build/release/bin/plugtune adapterhub
    $P/hf/bin/python       tests/exchange/load_in_peers.py build/release/bin/plugtune hf

Every directory in tests/golden that the library saved is imported, exported again, and loaded by the library: peft with its
safetensors, adapters (also its unions, and the stacks and fusions in "setup") with its default .bin and with safetensors. Nothing may be missing or unexpected. hf: everything that can be
merged is merged with --reversible and loaded by transformers; unmerged, it is tests/golden/tiny again. Prints one line per case.
"""

import argparse
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
from common import GOLDEN, TINY, batch, be_deterministic, padded  # noqa: E402

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402


def peft_model(directory):
    from peft import PeftConfig, PeftModel, load_peft_weights, set_peft_model_state_dict
    from transformers import BertForSequenceClassification

    model = PeftModel.from_pretrained(BertForSequenceClassification.from_pretrained(TINY), str(directory))
    result = set_peft_model_state_dict(model, load_peft_weights(str(directory)))
    unexpected = [key for key in result.unexpected_keys if key != "prompt_embeddings"]  # loaded by another way, strictly
    assert not unexpected, unexpected
    ours = PeftConfig.from_pretrained(str(directory)).peft_type
    missing = [key for key in result.missing_keys if any(own in key for own in ("lora_", "ia3_", "ln_tuning", "vera_lambda", "hada_"))]
    assert not missing, (ours, missing)
    return model


class Complaints(logging.Handler):
    """The library says in warnings what it did not load."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def emit(self, record):
        text = record.getMessage()
        if "not" in text and ("found" in text or "loaded" in text or "used" in text or "initialized" in text):
            self.texts.append(text)


def adapters_model(directory, safetensors):
    from adapters import BertAdapterModel

    complaints = Complaints()
    logging.getLogger("adapters").addHandler(complaints)
    model = BertAdapterModel.from_pretrained(TINY, attn_implementation="eager")
    for head in list(model.heads):
        model.delete_head(head)
    complaints.texts.clear()
    if (directory / "adapter_setup.json").exists():
        model.load_adapter_setup(str(directory), set_active=True, use_safetensors=safetensors)
    else:
        name = model.load_adapter(str(directory), set_active=True, use_safetensors=safetensors)
        model.active_head = name
    assert not complaints.texts, complaints.texts
    return model


def run(plugtune, *arguments):
    done = subprocess.run([plugtune, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"plugtune {' '.join(map(str, arguments))}\n{done.stderr}")


def merged_model(plugtune, scratch):
    """The run merged, as transformers loads it; None where it cannot be merged."""
    from transformers import BertForSequenceClassification

    command = [plugtune, "merge", scratch / "run", "--reversible", "--output", scratch / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    if "cannot be folded" in done.stderr:
        return None
    assert done.returncode == 0, done.stderr
    run(plugtune, "unmerge", scratch / "out", "--output", scratch / "base")
    for file in (scratch / "base").iterdir():
        assert file.read_bytes() == (pathlib.Path(TINY) / file.name).read_bytes(), file
    model, info = BertForSequenceClassification.from_pretrained(scratch / "out", output_loading_info=True)
    assert not any(info.values()), info
    return model


def loaded(plugtune, scratch, format_, files):
    """What plugtune makes of the run, as the library loads it; None where that cannot be made."""
    if format_ == "hf":
        return merged_model(plugtune, scratch)
    run(plugtune, "export", scratch / "run", "--format", format_, "--files", files, "--output", scratch / "out")
    return peft_model(scratch / "out") if format_ == "peft" else adapters_model(scratch / "out", files == "safetensors")


@torch.no_grad()
def largest_difference(model, golden):
    model.eval()
    packed = batch("a")
    inputs = padded(packed)
    inputs.pop("labels")
    return (model(**inputs).logits - golden["logits"]).abs().max().item() / max(1.0, golden["logits"].abs().max().item())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("plugtune", type=pathlib.Path)
    parser.add_argument("format", choices=["peft", "adapterhub", "hf"])
    arguments = parser.parse_args()
    plugtune = arguments.plugtune.resolve()
    be_deterministic()
    failed = 0
    sources = {"peft": ["peft"], "adapterhub": ["adapterhub", "setup"], "hf": ["peft", "adapterhub", "setup"]}[arguments.format]
    for theirs in sorted(path for name in sources for path in GOLDEN.rglob(name)):
        if not (theirs.parent / "golden.safetensors").exists():
            continue
        case = str(theirs.parent.relative_to(GOLDEN))
        golden = load_file(theirs.parent / "golden.safetensors")
        alone = json.loads((theirs.parent / "case.json").read_text()).get("settings", {}).get("use_gating", False)
        for files in ["bin", "safetensors"] if arguments.format == "adapterhub" else ["safetensors"]:
            with tempfile.TemporaryDirectory() as scratch:
                scratch = pathlib.Path(scratch)
                run(plugtune, "import", theirs.relative_to(os.getcwd()), "--output", scratch / "run")
                model = loaded(plugtune, scratch, arguments.format, files)
                if model is None:
                    continue
                difference = largest_difference(model, golden)
            # Gates average over a padded batch in the library, so its numbers for a batch are not those of each text alone.
            verdict = "skipped (depends on padding)" if alone else "ok" if difference < 1e-5 else "DIFFERS"
            failed += verdict == "DIFFERS"
            print(f"{case:45} {files:12} {difference:.1e} {verdict}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

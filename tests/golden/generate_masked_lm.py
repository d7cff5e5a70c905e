"""generate_masked_lm.py: masked LM as transformers does it, the whole model training, given what is masked. (env: hf)"""

from common import TINY, Case, be_deterministic, padded, random_, record_pass, record_start, record_training

import torch
import transformers
from transformers import BertForMaskedLM

VERSIONS = {"transformers": transformers.__version__}
ACTIVATIONS = ["gelu", "gelu_new", "relu", "silu", "swish", "tanh"]


def load(**changes):
    """tiny's encoder, and a head as large as its weights. The decoder is tied to the word embedding."""
    model = BertForMaskedLM.from_pretrained(TINY, attn_implementation="eager", **changes).train()
    generator = torch.Generator().manual_seed(2)
    for name, parameter in model.named_parameters():
        if name.startswith("cls."):
            random_(parameter, std=0.2, mean=1.0 if name.endswith("LayerNorm.weight") else 0.0, generator=generator)
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    assert model.cls.predictions.decoder.bias is model.cls.predictions.bias
    return model


def main():
    be_deterministic()
    case = Case("masked_lm", "cross-entropy over the rows to be guessed; everything trains, the decoder is the word embedding",
                VERSIONS, {"hidden_act": ACTIVATIONS}, task="masked_lm")
    model = load()
    record_start(case, model, tiny={name for name, _ in model.named_parameters() if name.startswith("bert.")})
    record_pass(case, model)
    record_training(case, model)
    for activation in ACTIVATIONS[1:]:  # the encoder's and the head's
        inputs = padded(case.batches["a"])
        with torch.no_grad():
            output = load(hidden_act=activation)(**inputs)
        packed = output.logits[inputs["attention_mask"].bool()]
        case.add(f"{activation}/logits", packed[case.batches["a"]["rows"]])
    case.write()


if __name__ == "__main__":
    main()

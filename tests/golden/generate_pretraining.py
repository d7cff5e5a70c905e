"""generate_pretraining.py: masked LM and next-sentence prediction as transformers does both at once, the whole model training. (env: hf)"""

import types

from common import TINY, Case, be_deterministic, padded, random_, record_pass, record_start, record_training

import torch
import transformers
from transformers import BertForPreTraining

VERSIONS = {"transformers": transformers.__version__}


class Pretraining(BertForPreTraining):
    """Its masked-LM logits under the name that all other classes use."""

    def forward(self, **inputs):
        output = super().forward(**inputs, return_dict=True)
        return types.SimpleNamespace(loss=output.loss, logits=output.prediction_logits, next=output.seq_relationship_logits)


def load():
    """tiny's encoder and pooler, and two heads as large as its weights."""
    model = Pretraining.from_pretrained(TINY, attn_implementation="eager").train()
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if name.startswith("cls."):
            random_(parameter, std=0.2, mean=1.0 if name.endswith("LayerNorm.weight") else 0.0, generator=generator)
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    return model


def main():
    be_deterministic()
    case = Case("pretraining", "BertForPreTraining: cross-entropy over the rows to be guessed plus that over the sequences; everything trains",
                VERSIONS, task="pretraining")
    model = load()
    record_start(case, model, tiny={name for name, _ in model.named_parameters() if name.startswith("bert.")})
    record_pass(case, model)
    record_training(case, model)
    with torch.no_grad():
        inputs = padded(case.batches["a"])
        case.add("next_logits", load()(**inputs).next, load().double()(**inputs).next)
        output = load()(**inputs)
        cross_entropy = torch.nn.functional.cross_entropy
        case.add("masked_lm_loss", cross_entropy(output.logits.flatten(0, 1), inputs["labels"].flatten()))
        case.add("next_sentence_loss", cross_entropy(output.next, inputs["next_sentence_label"]))
    case.write()


if __name__ == "__main__":
    main()

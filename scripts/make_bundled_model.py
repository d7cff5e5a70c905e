#!/usr/bin/env python3
"""make_bundled_model.py - trains models/ko-tiny, the small Korean BERT that the quick start fine-tunes.

  scripts/peers.sh hf
  OMP_NUM_THREADS=1 ~/.cache/plugtune/peers/hf/bin/python scripts/make_bundled_model.py [--output DIR] [--steps N]

Pretraining as BERT's (Devlin et al. 2019, arXiv:1810.04805), masked words and next segment, on reviews that the grammar
in scripts/korean_reviews makes: no label is looked at, and nothing that stands in the bundled test file is read. One
thread and one seed, so that the same machine writes the same bytes. Prints the losses and writes config.json,
model.safetensors (F16), vocab.txt and tokenizer_config.json; the README beside them is written by hand.
"""

import argparse
import collections
import itertools
import json
import pathlib
import random
import sys
import time

sys.dont_write_bytecode = True
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from tokenizers import BertWordPieceTokenizer  # noqa: E402
from transformers import BertConfig, BertForPreTraining  # noqa: E402

from korean_reviews.grammar import ReviewWriter  # noqa: E402
from korean_reviews.syllables import COMMON_SYLLABLES, JAMO, LATIN, PUNCTUATION  # noqa: E402
from make_sample import TEST, letters, sample  # noqa: E402

SEED = 1000  # of the text; make_sample.py uses 1 and 2
REVIEWS = 100_000
LONG_SHARE = 0.6  # of the reviews have two to five sentences; the others, like those of the sample, one or two
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, _, CLS, SEP, MASK = range(5)
LEARNED_PIECES = 1900
BATCH = 32
CHUNK_BATCHES = 50  # sorted by length together
SHORT_PART = 0.5  # of the steps see single sentences only
MAX_PIECES = 126  # and [CLS], [SEP]
MAX_SEGMENT = 62
LEARNING_RATE = 2e-3
PRETRAINING_RANGE = 0.08  # weights at the start; 0.02 suits 768 columns, and with 128 stays on the plateau for longer
SHAPE = dict(hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=512, max_position_embeddings=128)


def unlabelled_text():
    """Reviews as lists of sentences, none of which stands in the test file."""
    held_out = {letters(text) for text, _ in sample()[TEST]}
    writer, chance, text = ReviewWriter(SEED), random.Random(SEED), []
    while len(text) < REVIEWS:
        many = chance.random() < LONG_SHARE
        review = writer.long_review(2 + int(chance.random() * 4)) if many else [writer.review()[0]]
        if all(letters(sentence) not in held_out for sentence in review):
            text.append(review)
    return text


def make_vocabulary(text):
    """WordPieces of the text, then every common syllable and sign, alone and inside a word, that it lacks."""
    trainer = BertWordPieceTokenizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    trainer.train_from_iterator(text, vocab_size=LEARNED_PIECES, min_frequency=3, special_tokens=SPECIAL, show_progress=False)
    pieces = sorted(trainer.get_vocab().items(), key=lambda item: item[1])
    vocabulary = [piece for piece, _ in pieces]
    known = set(vocabulary)
    wanted = [*PUNCTUATION]  # punctuation is cut off words, so it never stands inside one
    wanted += [form for sign in LATIN + JAMO + COMMON_SYLLABLES for form in (sign, "##" + sign)]
    for piece in wanted:
        if piece not in known:
            known.add(piece)
            vocabulary.append(piece)
    return vocabulary


def tokenizer_of(vocabulary):
    return BertWordPieceTokenizer(vocab={piece: index for index, piece in enumerate(vocabulary)}, clean_text=True,
                                  handle_chinese_chars=True, strip_accents=False, lowercase=False)


class Batches:
    """Batches of nearly one length each: reviews are sorted by length within chunks, then shuffled."""

    def __init__(self, reviews, vocabulary_size, generator):
        self._reviews, self._vocabulary_size, self._generator = reviews, vocabulary_size, generator
        self._tails = collections.defaultdict(list)  # the second segments of each length
        for review in reviews:
            if len(review) > 1:
                tail = self._joined(review[len(review) // 2:])[:MAX_SEGMENT]
                self._tails[len(tail)].append(tail)

    @staticmethod
    def _joined(sentences):
        return [piece for sentence in sentences for piece in sentence]

    def _below(self, high):
        return torch.randint(high, (1,), generator=self._generator).item()

    def _example(self, index):
        """(ids, length of the first segment, whether the second is from another review or -100 where there is none).

        A review of several sentences becomes two segments; a foreign second one is as long as the true one, so that only
        what it says gives it away.
        """
        review = self._reviews[index]
        if len(review) == 1:
            ids = review[0][:MAX_PIECES]
            return [CLS, *ids, SEP], len(ids) + 2, -100
        half = len(review) // 2
        first, second, is_random = self._joined(review[:half])[:MAX_SEGMENT], self._joined(review[half:])[:MAX_SEGMENT], self._below(2)
        if is_random:
            second = self._tails[len(second)][self._below(len(self._tails[len(second)]))]
        return [CLS, *first, SEP, *second, SEP], len(first) + 2, is_random

    def of(self, reviews):
        """Endless batches of the reviews with these numbers, in an order of their own each time round."""
        chunk_size = BATCH * CHUNK_BATCHES
        while True:
            order = [reviews[place] for place in torch.randperm(len(reviews), generator=self._generator).tolist()]
            for start in range(0, len(order) - chunk_size + 1, chunk_size):
                chunk = sorted((self._example(index) for index in order[start:start + chunk_size]), key=lambda e: len(e[0]))
                for batch in torch.randperm(CHUNK_BATCHES, generator=self._generator).tolist():
                    yield self._collate(chunk[batch * BATCH:(batch + 1) * BATCH])

    def curriculum(self, steps):
        """Short reviews first: on long ones attention stays uniform, and the loss on its plateau, for thousands of steps."""
        short = [index for index, review in enumerate(self._reviews) if len(review) == 1]
        short_steps = int(steps * SHORT_PART)
        yield from itertools.islice(self.of(short), short_steps)
        yield from itertools.islice(self.of(range(len(self._reviews))), steps - short_steps)

    def _collate(self, examples):
        longest = max(len(ids) for ids, _, _ in examples)
        ids = torch.tensor([ids + [PAD] * (longest - len(ids)) for ids, _, _ in examples])
        types = torch.tensor([[0] * first + [1] * (longest - first) for _, first, _ in examples]) * (ids != PAD)
        # 15 % of the words are asked for: 80 % of them masked, 10 % replaced, 10 % left.
        draw = torch.rand(ids.shape, generator=self._generator)
        draw[(ids == PAD) | (ids == CLS) | (ids == SEP)] = 1.0
        chosen = draw < 0.15
        masked = torch.where(draw < 0.12, MASK, ids)
        random_words = torch.randint(len(SPECIAL), self._vocabulary_size, ids.shape, generator=self._generator)
        masked = torch.where((draw >= 0.12) & (draw < 0.135), random_words, masked)
        return masked, types, (ids != PAD).long(), chosen, ids[chosen], torch.tensor([nsp for _, _, nsp in examples])


def pretrain(model, batches, steps):
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([dict(params=decayed, weight_decay=0.01), dict(params=others, weight_decay=0.0)], lr=LEARNING_RATE)
    warmup = steps // 20
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / warmup, (steps - s) / (steps - warmup)))
    cross_entropy = torch.nn.functional.cross_entropy
    start, history = time.time(), []
    model.train()
    for step, (ids, types, attention, chosen, words, is_random) in enumerate(batches.curriculum(steps)):
        out = model.bert(input_ids=ids, token_type_ids=types, attention_mask=attention)
        word_loss = cross_entropy(model.cls.predictions(out.last_hidden_state[chosen]), words)
        pairs = (is_random >= 0).sum().clamp(min=1)  # a batch of short reviews has none
        pair_loss = cross_entropy(model.cls.seq_relationship(out.pooler_output), is_random, ignore_index=-100, reduction="sum") / pairs
        (word_loss + pair_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        history.append((word_loss.item(), pair_loss.item()))
        if (step + 1) % 500 == 0:
            recent = history[-500:]
            print(f"step {step + 1}: masked words {sum(w for w, _ in recent) / len(recent):.3f}, "
                  f"next segment {sum(p for _, p in recent) / len(recent):.3f}, {time.time() - start:.0f} s", flush=True)


def write(model, vocabulary, folder):
    folder.mkdir(parents=True, exist_ok=True)
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in model.state_dict().items()
               if name not in tied and not name.endswith("position_ids") and not name.endswith("token_type_ids")}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = dict(architectures=["BertForPreTraining"], model_type="bert", vocab_size=len(vocabulary), **SHAPE, hidden_act="gelu",
                  hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, type_vocab_size=2, initializer_range=0.02,
                  layer_norm_eps=1e-12, pad_token_id=PAD, dtype="float32")  # float32: what to compute in; the file is F16
    tokenizer = dict(tokenizer_class="BertTokenizer", do_lower_case=False, strip_accents=False, tokenize_chinese_chars=True,
                     model_max_length=SHAPE["max_position_embeddings"], pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
                     sep_token="[SEP]", mask_token="[MASK]")
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2, sort_keys=True) + "\n")
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    print(f"wrote {folder}: {sum(t.numel() for t in tensors.values()):,} numbers, {sum(f.stat().st_size for f in folder.iterdir()):,} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent / "models" / "ko-tiny")
    parser.add_argument("--steps", type=int, default=8000, help="batches of 64 reviews; default 8000, about ten minutes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    text = unlabelled_text()
    vocabulary = make_vocabulary([sentence for review in text for sentence in review])
    tokenizer = tokenizer_of(vocabulary)
    reviews = [[encoding.ids for encoding in tokenizer.encode_batch(review, add_special_tokens=False)] for review in text]
    print(f"{len(text):,} reviews, {sum(len(s) for review in reviews for s in review):,} tokens, {len(vocabulary):,} pieces", flush=True)
    model = BertForPreTraining(BertConfig(vocab_size=len(vocabulary), pad_token_id=PAD, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=PRETRAINING_RANGE, **SHAPE))
    pretrain(model, Batches(reviews, len(vocabulary), torch.Generator().manual_seed(SEED)), arguments.steps)
    write(model, vocabulary, arguments.output)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""make_bundled_model.py - trains models/ko-tiny, the small Korean BERT that the quick start fine-tunes.

  scripts/peers.sh hf
  OMP_NUM_THREADS=1 ~/.cache/plugtune/peers/hf/bin/python scripts/make_bundled_model.py [--output DIR] [--steps N]

Pretraining on reviews that the grammar in scripts/korean_reviews makes: no label is looked at, and nothing that stands
in the bundled test file is read. Words are masked as BERT does (Devlin et al. 2019, arXiv:1810.04805); instead of
guessing the next segment, the pooled vectors of the two parts of a review have to find each other among those of a
batch (Giorgi et al. 2021, arXiv:2006.03659), since so small a model did not learn BERT's second task at all. One
thread and one seed, so that the same machine writes the same bytes. Prints the losses and writes config.json,
model.safetensors (F16), vocab.txt and tokenizer_config.json; the README beside them is written by hand.
"""

import argparse
import collections
import json
import pathlib
import random
import sys
import time
import warnings

sys.dont_write_bytecode = True
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from tokenizers import BertWordPieceTokenizer  # noqa: E402
from transformers import BertConfig, BertForPreTraining  # noqa: E402

from korean_reviews.grammar import ReviewWriter  # noqa: E402
from korean_reviews.syllables import COMMON_SYLLABLES, JAMO, LATIN, PUNCTUATION  # noqa: E402
from make_sample import TEST, letters, sample  # noqa: E402

SEED = 1000  # of the text; make_sample.py uses 1 and 2
REVIEWS = 60_000  # of two to five sentences
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, _, CLS, SEP, MASK = range(5)
LEARNED_PIECES = 1900
BATCH = 32  # reviews, two segments each
SHORT_PART = 0.7  # of the steps see two single sentences; the others whole reviews
MAX_PIECES = 126  # and [CLS], [SEP]
LEARNING_RATE = 2e-3
TEMPERATURE = 0.1
START_RANGE = 0.08  # of the weights at the start; 0.02 suits 768 columns, and with 128 attention stays uniform for longer
SHAPE = dict(hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=512, max_position_embeddings=128)


def unlabelled_text():
    """Reviews as lists of sentences, none of which stands in the test file."""
    held_out = {letters(text) for text, _ in sample()[TEST]}
    writer, chance, text = ReviewWriter(SEED), random.Random(SEED), []
    while len(text) < REVIEWS:
        review = writer.long_review(2 + int(chance.random() * 4))
        if all(letters(sentence) not in held_out for sentence in review):
            text.append(review)
    return text


def make_vocabulary(sentences):
    """WordPieces of the text, then every common syllable and sign, alone and inside a word, that it lacks."""
    trainer = BertWordPieceTokenizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    trainer.train_from_iterator(sentences, vocab_size=LEARNED_PIECES, min_frequency=3, special_tokens=SPECIAL, show_progress=False)
    vocabulary = [piece for piece, _ in sorted(trainer.get_vocab().items(), key=lambda item: item[1])]
    wanted = [*PUNCTUATION]  # punctuation is cut off words, so it never stands inside one
    wanted += [form for sign in LATIN + JAMO + COMMON_SYLLABLES for form in (sign, "##" + sign)]
    known = set(vocabulary)
    return vocabulary + [piece for piece in dict.fromkeys(wanted) if piece not in known]


def tokenizer_of(vocabulary):
    return BertWordPieceTokenizer(vocab={piece: index for index, piece in enumerate(vocabulary)}, clean_text=True,
                                  handle_chinese_chars=True, strip_accents=False, lowercase=False)


def positive_pmi(counts):
    """max(0, log of how much more often two pieces meet than by chance), from a symmetric table of counts."""
    chance = counts.sum(1, keepdim=True) * counts.sum(0, keepdim=True) / counts.sum()
    return torch.log(counts / chance.clamp(min=1e-9)).nan_to_num(neginf=0.0).clamp(min=0.0)


def principal_vectors(table, count):
    """One row of `count` numbers for each row of a symmetric table, those that explain most of it, of length 1."""
    u, s, _ = torch.svd_lowrank(table, q=count + 16, niter=4)
    vectors = u[:, :count] * s[:count].sqrt()
    return vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-6)


def word_vectors(reviews, vocabulary_size):
    """Where training starts: pieces that share reviews, or stand side by side, have similar vectors.

    Half of the columns come from whole reviews (what is talked about, and in which mood), half from the two pieces to
    each side (grammar); see Levy and Goldberg 2014. From random vectors the first thousands of steps go into finding
    this. Returns the vectors and which pieces the text has; the others stay random.
    """
    flat = torch.tensor([piece for review in reviews for sentence in review for piece in sentence])
    review_of = torch.tensor([index for index, review in enumerate(reviews) for sentence in review for _ in sentence])
    where = torch.sparse_coo_tensor(torch.stack([flat, review_of]), torch.ones(len(flat)), (vocabulary_size, len(reviews))).coalesce()
    where = torch.sparse_coo_tensor(where.indices(), torch.ones(len(where.values())), where.shape)  # once, however often it occurs
    together = torch.sparse.mm(where, where.t()).to_dense().fill_diagonal_(0.0)
    beside = torch.zeros(vocabulary_size * vocabulary_size)
    for distance in (1, 2):
        same = review_of[distance:] == review_of[:-distance]
        pairs = flat[:-distance][same] * vocabulary_size + flat[distance:][same]
        beside += torch.bincount(pairs, minlength=vocabulary_size * vocabulary_size)
    beside = beside.view(vocabulary_size, vocabulary_size)
    half = SHAPE["hidden_size"] // 2
    vectors = torch.cat([principal_vectors(positive_pmi(counts), half) for counts in (together, beside + beside.t())], dim=1)
    return vectors * START_RANGE * half ** 0.5, together.sum(1) > 0


class Batches:
    """Batches of two segments of each of BATCH reviews, first all first ones, then all second ones."""

    def __init__(self, reviews, vocabulary_size, generator):
        self._reviews, self._vocabulary_size, self._generator = reviews, vocabulary_size, generator

    def curriculum(self, steps):
        """Short segments first: on long ones attention stays uniform, and the loss on its plateau, for thousands of steps."""
        order = []
        for step in range(steps):
            if len(order) < BATCH:
                order = torch.randperm(len(self._reviews), generator=self._generator).tolist()
            chosen, order = [self._reviews[index] for index in order[:BATCH]], order[BATCH:]
            halves = [1 if step < SHORT_PART * steps else len(review) // 2 for review in chosen]
            ends = [2 if step < SHORT_PART * steps else len(review) for review in chosen]
            firsts = [self._segment(review[:half]) for review, half in zip(chosen, halves)]
            seconds = [self._segment(review[half:end]) for review, half, end in zip(chosen, halves, ends)]
            yield self._collate(firsts + seconds)

    @staticmethod
    def _segment(sentences):
        return [CLS, *[piece for sentence in sentences for piece in sentence][:MAX_PIECES], SEP]

    def _collate(self, segments):
        """(ids as the model sees them, mask of real rows, which are asked for, what they were)."""
        longest = max(map(len, segments))
        ids = torch.tensor([ids + [PAD] * (longest - len(ids)) for ids in segments])
        # 15 % of the words are asked for: 80 % of them masked, 10 % replaced, 10 % left.
        draw = torch.rand(ids.shape, generator=self._generator)
        draw[(ids == PAD) | (ids == CLS) | (ids == SEP)] = 1.0
        chosen = draw < 0.15
        masked = torch.where(draw < 0.12, MASK, ids)
        random_words = torch.randint(len(SPECIAL), self._vocabulary_size, ids.shape, generator=self._generator)
        masked = torch.where((draw >= 0.12) & (draw < 0.135), random_words, masked)
        return masked, (ids != PAD).long(), chosen, ids[chosen]


def pair_loss(pooled):
    """Each first segment has to find its second one among those of the batch, and the other way round."""
    first, second = torch.nn.functional.normalize(pooled, dim=1).chunk(2)  # (B, H) (B, H)
    similarity = first @ second.t() / TEMPERATURE  # (B, B)
    own = torch.arange(len(first))
    cross_entropy = torch.nn.functional.cross_entropy
    return (cross_entropy(similarity, own) + cross_entropy(similarity.t(), own)) / 2


def pretrain(model, batches, steps):
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([dict(params=decayed, weight_decay=0.01), dict(params=others, weight_decay=0.0)], lr=LEARNING_RATE)
    warmup = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / warmup, (steps - s) / (steps - warmup)))
    start, recent = time.time(), collections.deque(maxlen=500)
    model.train()
    for step, (ids, attention, chosen, words) in enumerate(batches.curriculum(steps)):
        out = model.bert(input_ids=ids, attention_mask=attention)
        word_loss = torch.nn.functional.cross_entropy(model.cls.predictions(out.last_hidden_state[chosen]), words)
        segment_loss = pair_loss(out.pooler_output)
        (word_loss + segment_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recent.append((word_loss.item(), segment_loss.item()))
        if (step + 1) % 500 == 0:
            words_mean, pairs_mean = (sum(losses) / len(recent) for losses in zip(*recent))
            print(f"step {step + 1}: masked words {words_mean:.3f}, other part {pairs_mean:.3f}, {time.time() - start:.0f} s", flush=True)


def write(model, vocabulary, folder):
    folder.mkdir(parents=True, exist_ok=True)
    # Tied to the word embedding and to cls.predictions.bias; and the head of the task that was not trained.
    left_out = ("cls.predictions.decoder.", "cls.seq_relationship.")
    tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in model.state_dict().items()
               if not name.startswith(left_out) and not name.endswith(("position_ids", "token_type_ids"))}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = dict(architectures=["BertForMaskedLM"], model_type="bert", vocab_size=len(vocabulary), **SHAPE, hidden_act="gelu",
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
    parser.add_argument("--steps", type=int, default=4000, help="batches of 32 reviews; default 4000, some ten minutes")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="Sparse")  # of torch, at the first sparse product
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    text = unlabelled_text()
    vocabulary = make_vocabulary([sentence for review in text for sentence in review])
    tokenizer = tokenizer_of(vocabulary)
    reviews = [[encoding.ids for encoding in tokenizer.encode_batch(review, add_special_tokens=False)] for review in text]
    print(f"{len(text):,} reviews, {sum(len(s) for review in reviews for s in review):,} tokens, {len(vocabulary):,} pieces", flush=True)
    # No dropout: 4,000 steps are far from learning the text by heart.
    model = BertForPreTraining(BertConfig(vocab_size=len(vocabulary), pad_token_id=PAD, hidden_dropout_prob=0.0,
                                          attention_probs_dropout_prob=0.0, initializer_range=START_RANGE, **SHAPE))
    vectors, occurs = word_vectors(reviews, len(vocabulary))
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight[occurs] = vectors[occurs]
    pretrain(model, Batches(reviews, len(vocabulary), torch.Generator().manual_seed(SEED)), arguments.steps)
    write(model, vocabulary, arguments.output)


if __name__ == "__main__":
    main()

"""Makes the golden files of core/formats with the real libraries (torch 2.11, safetensors 0.8, transformers 5.17).

    scripts/peers.sh hf
    ~/.cache/plugtune/peers/hf/bin/python tests/unit/formats/make_goldens.py

Files, in goldens/ beside this script:
  all_types.safetensors    every element type, a scalar, an empty tensor, names that JSON escapes
  plain.bin                torch.save, zip: OrderedDict with _metadata, parameters, shared storage, strides, expansion
  legacy.bin               the same in the format before PyTorch 1.6
  legacy_views.bin         that format with views of storages, as PyTorch 0.3 wrote them (composed here: torch no longer can)
  expected.safetensors     the tensors of plain.bin and legacy.bin, contiguous
  tiny/                    BertForSequenceClassification with three labels, as transformers writes it
  tiny_sharded/            the same in shards
  tiny_2018.bin            its weights as a DataParallel training of 2018 left them: module., gamma/beta, cls.*, legacy pickle
"""

import collections
import pathlib
import pickle
import struct

import safetensors.torch
import torch
import transformers

GOLDENS = pathlib.Path(__file__).resolve().parent / "goldens"


def numbers(shape, dtype, start=0):
    count = int(torch.tensor(shape).prod()) if shape else 1
    values = torch.arange(start, start + count)
    return (values % 2 if dtype == torch.bool else values).to(dtype).reshape(shape)


def all_types():
    types = ["bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "bfloat16", "float32", "float64"]
    tensors = {f"{name}.weight": numbers((2, 3), getattr(torch, name)) for name in types}
    tensors["scalar"] = torch.tensor(1.5)
    tensors["empty"] = torch.empty(0, 4)
    tensors['한국어 "\\\n\t\x01\x7f/é'] = numbers((2,), torch.float32)
    safetensors.torch.save_file(tensors, GOLDENS / "all_types.safetensors", metadata={"format": "pt"})


def pickled_tensors():
    base = numbers((4, 6), torch.float32)
    tensors = collections.OrderedDict()
    tensors["base"] = base
    tensors["row"] = base[1]  # shares base's storage
    tensors["transposed"] = base.t()
    tensors["every_other"] = base[::2, 1::2]
    tensors["expanded"] = numbers((1, 3), torch.int64, start=5).expand(4, 3)
    tensors["parameter"] = torch.nn.Parameter(numbers((3,), torch.float32, start=100))
    tensors["scalar"] = torch.tensor(2.5, dtype=torch.float64)
    tensors["empty"] = torch.empty(0, 4)
    tensors["large"] = numbers((300,), torch.int16)
    for name in ["bool", "uint8", "int8", "int32", "float16", "bfloat16"]:
        tensors[name] = numbers((5,), getattr(torch, name))
    tensors._metadata = collections.OrderedDict([("", {"version": 1})])
    return tensors


def torch_files():
    tensors = pickled_tensors()
    torch.save(tensors, GOLDENS / "plain.bin")
    torch.save(tensors, GOLDENS / "legacy.bin", _use_new_zipfile_serialization=False)
    plain = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    safetensors.torch.save_file(plain, GOLDENS / "expected.safetensors")


class ViewPickler(pickle.Pickler):
    """Writes tensors "a" and "b" as views of one storage: persistent ids with (view key, offset, size)."""

    def reducer_override(self, obj):
        if isinstance(obj, torch.Tensor):
            size, stride = tuple(obj.shape), obj.stride()
            return torch._utils._rebuild_tensor_v2, (View(obj.storage_offset(), obj.numel()), 0, size, stride, False, collections.OrderedDict())
        return NotImplemented

    def persistent_id(self, obj):
        if isinstance(obj, View):
            return ("storage", torch.FloatStorage, "root", "cpu", 12, (f"view{obj.offset}", obj.offset, obj.count))
        return None


View = collections.namedtuple("View", ["offset", "count"])


def legacy_views():
    base = numbers((12,), torch.float32)
    with open(GOLDENS / "legacy_views.bin", "wb") as out:
        pickle.dump(0x1950A86A20F9469CFC6C, out, protocol=2)
        pickle.dump(1001, out, protocol=2)
        pickle.dump({"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}, out, protocol=2)
        ViewPickler(out, protocol=2).dump({"a": base[0:4], "b": base[4:10].reshape(2, 3)})
        pickle.dump(["root"], out, protocol=2)
        out.write(struct.pack("<q", 12) + base.numpy().tobytes())
    assert torch.equal(torch.load(GOLDENS / "legacy_views.bin")["b"], base[4:10].reshape(2, 3))


def tiny_model():
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, max_position_embeddings=10,
        id2label={0: "부정", 1: "중립", 2: "긍정"}, label2id={"부정": 0, "중립": 1, "긍정": 2}, pooler_type="first_token_transform")
    model = transformers.BertForSequenceClassification(config)
    model.save_pretrained(GOLDENS / "tiny")
    model.save_pretrained(GOLDENS / "tiny_sharded", max_shard_size="3KB")

    old = collections.OrderedDict()
    for key, tensor in transformers.BertForPreTraining(config).state_dict().items():
        tied = "bert.embeddings.word_embeddings.weight" if key == "cls.predictions.decoder.weight" else key
        state = model.state_dict().get(tied, tensor)
        key = key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        old["module." + key] = state
    torch.save(old, GOLDENS / "tiny_2018.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    GOLDENS.mkdir(exist_ok=True)
    all_types()
    torch_files()
    legacy_views()
    tiny_model()

"""The work of `cargo xtask bench` in PyTorch, for its ratio column; needs torch and nothing else.

`cargo xtask bench --python PATH` starts this with one JSON argument: the work, the device, the folder of the
model in Hugging Face's layout (the same weights as ours, in f32). It speaks the lines of `worker.rs`: once
the work is done the first time it says {"ready": ...}, then it does it once for every line that it reads.

Gemma 3 (arXiv 2503.19786) in eager PyTorch with its fused operations: scaled_dot_product_attention, rms_norm,
cross_entropy, AdamW(fused=True); bf16 is autocast, as a user would have it.
"""

import json
import math
import mmap
import os
import re
import sys
import time

import torch
import torch.nn.functional as F


def load(folder, device):
    """The configuration, and every weight by its name, from config.json and model.safetensors."""
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    weights = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", (name, entry["dtype"])
        begin, end = entry["data_offsets"]
        values = torch.frombuffer(
            data, dtype=torch.float32, count=(end - begin) // 4, offset=8 + size + begin
        )
        weights[name] = values.reshape(entry["shape"]).clone().to(device)
    return config, weights


class Gemma:
    def __init__(self, folder, device, lora=None):
        self.config, self.weights = load(folder, device)
        self.device = device
        self.adapters = {}
        if lora is None:
            return
        self.scale = lora["alpha"] / lora["rank"]
        targets = re.compile(lora["targets"])
        for name, weight in self.weights.items():
            name = name.removesuffix(".weight")
            if weight.dim() == 2 and "layers" in name and targets.search(name):
                rows, columns = weight.shape
                a = torch.empty(lora["rank"], columns, device=device)
                torch.nn.init.uniform_(a, -(columns**-0.5), columns**-0.5)
                self.adapters[name] = (a, torch.zeros(rows, lora["rank"], device=device))

    def trainable(self):
        if self.adapters:
            return [matrix for pair in self.adapters.values() for matrix in pair]
        return list(self.weights.values())

    def linear(self, name, x):
        y = F.linear(x, self.weights[name + ".weight"])
        if name in self.adapters:
            a, b = self.adapters[name]
            y = y + F.linear(F.linear(x, a), b) * self.scale
        return y

    def norm(self, name, x):
        weight = self.weights[name + ".weight"]
        return F.rms_norm(x.float(), weight.shape, 1 + weight, self.config["rms_norm_eps"])

    def angles(self, base, start, length):
        dim = self.config["head_dim"]
        frequencies = base ** (-torch.arange(0, dim, 2, device=self.device) / dim)
        angles = torch.arange(start, start + length, device=self.device)[:, None] * frequencies
        angles = torch.cat([angles, angles], 1)
        return angles.cos(), angles.sin()

    def attention(self, layer, x, angles, cache, past):
        config = self.config
        batch, length, _ = x.shape
        heads, kv, dim = (
            config["num_attention_heads"],
            config["num_key_value_heads"],
            config["head_dim"],
        )
        name = f"model.layers.{layer}.self_attn."
        split = lambda y, n: y.view(batch, length, n, dim)
        q = self.norm(name + "q_norm", split(self.linear(name + "q_proj", x), heads))
        k = self.norm(name + "k_norm", split(self.linear(name + "k_proj", x), kv))
        v = split(self.linear(name + "v_proj", x), kv).transpose(1, 2)
        is_global = (layer + 1) % config["sliding_window_pattern"] == 0
        cos, sin = angles[is_global]

        def rotate(y):
            first, second = y.chunk(2, -1)
            return y * cos + torch.cat([-second, first], -1) * sin

        q, k = rotate(q.transpose(1, 2)), rotate(k.transpose(1, 2))
        q, k = q.to(v.dtype), k.to(v.dtype)
        if cache is not None:
            keys, values = cache[layer]
            keys[:, :, past : past + length] = k
            values[:, :, past : past + length] = v
            k, v = keys[:, :, : past + length], values[:, :, : past + length]
        slots, window = past + length, config["sliding_window"]
        mask = None
        if not is_global and slots > window or past > 0 and length > 1:
            at = torch.arange(past, slots, device=self.device)[:, None]
            key = torch.arange(slots, device=self.device)[None]
            mask = (key <= at) & ((key > at - window) | is_global)

        def shared(y):
            """Every key head stands for its group; with a single one no copy is made."""
            shape = (batch, kv, heads // kv, slots, dim)
            return y[:, :, None].expand(shape).reshape(batch, heads, slots, dim)

        out = F.scaled_dot_product_attention(
            q,
            shared(k),
            shared(v),
            attn_mask=mask,
            is_causal=mask is None and length > 1,
            scale=config["query_pre_attn_scalar"] ** -0.5,
        )
        out = out.transpose(1, 2).reshape(batch, length, heads * dim)
        return self.linear(name + "o_proj", out)

    def hidden(self, ids, cache=None, past=0):
        """[batch, length] ids to [batch, length, hidden] states after the last norm."""
        config = self.config
        embedding = self.weights["model.embed_tokens.weight"]
        x = F.embedding(ids, embedding) * math.sqrt(config["hidden_size"])
        angles = [
            self.angles(config[base], past, ids.shape[1])
            for base in ("rope_local_base_freq", "rope_theta")
        ]
        for layer in range(config["num_hidden_layers"]):
            name = f"model.layers.{layer}."
            attended = self.attention(
                layer, self.norm(name + "input_layernorm", x), angles, cache, past
            )
            x = x + self.norm(name + "post_attention_layernorm", attended)
            normed = self.norm(name + "pre_feedforward_layernorm", x)
            gate = F.gelu(self.linear(name + "mlp.gate_proj", normed), approximate="tanh")
            fed = self.linear(
                name + "mlp.down_proj", gate * self.linear(name + "mlp.up_proj", normed)
            )
            x = x + self.norm(name + "post_feedforward_layernorm", fed)
        return self.norm("model.norm", x)

    def logits(self, hidden):
        return F.linear(hidden, self.weights["model.embed_tokens.weight"])

    def loss(self, ids):
        """The mean negative log-likelihood of every token but the first."""
        logits = self.logits(self.hidden(ids)[:, :-1])
        return F.cross_entropy(logits.reshape(-1, logits.shape[-1]).float(), ids[:, 1:].reshape(-1))


def sequences(model, count, length):
    """As in `work.rs`."""
    ids = max(min(model.config["vocab_size"], 4096) - 96, 1)
    rows = [[(at * 37 + row * 101) % ids + 4 for at in range(length)] for row in range(count)]
    return torch.tensor(rows, device=model.device)


def product(work, assignment):
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[work["precision"]]
    side, device = assignment["side"], assignment["device"]
    x, w = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def once():
        F.linear(x, w)

    return once


def train(work, assignment):
    model = Gemma(assignment["model"], assignment["device"], work["lora"])
    ids = sequences(model, work["batch"], work["length"])
    parameters = [p.requires_grad_() for p in model.trainable()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-5, weight_decay=0.0, fused=True)
    half = work["precision"] == "bf16"

    def once():
        with torch.autocast(assignment["device"].split(":")[0], torch.bfloat16, enabled=half):
            loss = model.loss(ids)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return once


def score(work, assignment):
    model = Gemma(assignment["model"], assignment["device"])
    ids = sequences(model, work["batch"], work["length"])

    @torch.inference_mode()
    def once():
        return model.loss(ids).item()

    return once


def decode(work, assignment):
    model = Gemma(assignment["model"], assignment["device"])
    count, length, new = work["prompts"], work["length"], work["new"]
    prompts = sequences(model, count, length)
    config = model.config
    shape = (count, config["num_key_value_heads"], length + new, config["head_dim"])

    @torch.inference_mode()
    def once():
        empty = lambda: torch.empty(shape, device=model.device)
        cache = [(empty(), empty()) for _ in range(config["num_hidden_layers"])]
        logits = model.logits(model.hidden(prompts, cache)[:, -1])
        ids = [logits.argmax(-1)]
        for step in range(new - 1):
            hidden = model.hidden(ids[-1][:, None], cache, length + step)
            ids.append(model.logits(hidden[:, -1]).argmax(-1))
        first = [answer[0] for answer in torch.stack(ids, 1).tolist()]
        return sum(first) / len(first)

    return once


def main():
    assignment = json.loads(sys.argv[1])
    work = assignment["work"]
    once = {"product": product, "train": train, "score": score, "decode": decode}[work["kind"]](
        work, assignment
    )

    def timed():
        start = time.perf_counter()
        check = once()
        if assignment["device"] != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - start, check

    _, check = timed()
    print(json.dumps({"ready": {"check": check}}), flush=True)
    for _ in sys.stdin:
        seconds, _ = timed()
        print(json.dumps({"done": {"seconds": seconds}}), flush=True)


if __name__ == "__main__":
    main()

"""The model: a SigLIP-style tower, a pre-norm projector and a Qwen3 decoder, all in miniature.

Parameter names equal those of the Hugging Face checkpoint (below the prefix "model."), so
exporting is a plain copy of the state dict.
"""

import torch
import torch.nn.functional as F
from torch import nn

from anyres import PATCH, SIDE

VISION_HIDDEN, VISION_LAYERS, VISION_HEADS, VISION_MLP = 128, 4, 4, 384
HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, MLP = 192, 4, 6, 2, 32, 448
VOCABULARY = 1024
ROPE_THETA = 10000.0
MAX_POSITIONS = 2048
NORM_EPS = 1e-6


class VisionEmbeddings(nn.Module):
    """Patch convolution plus learned positions; no class token."""

    def __init__(self):
        super().__init__()
        self.patch_embedding = nn.Conv2d(3, VISION_HIDDEN, PATCH, PATCH)
        self.position_embedding = nn.Embedding(SIDE * SIDE, VISION_HIDDEN)

    def forward(self, tiles):
        # A stride-14 convolution is a matrix product over flattened patches, which is far faster.
        n = tiles.shape[0]
        patches = tiles.view(n, 3, SIDE, PATCH, SIDE, PATCH).permute(0, 2, 4, 1, 3, 5)
        weight = self.patch_embedding.weight.flatten(1)
        patches = F.linear(patches.reshape(n, SIDE * SIDE, -1), weight, self.patch_embedding.bias)
        return patches + self.position_embedding.weight


class VisionAttention(nn.Module):
    """Full bidirectional attention with biased projections."""

    def __init__(self):
        super().__init__()
        for name in ["q_proj", "k_proj", "v_proj", "out_proj"]:
            setattr(self, name, nn.Linear(VISION_HIDDEN, VISION_HIDDEN))

    def forward(self, x):
        n, length, _ = x.shape
        q, k, v = (
            projection(x).view(n, length, VISION_HEADS, -1).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        x = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(x.transpose(1, 2).reshape(n, length, VISION_HIDDEN))


class VisionMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(VISION_HIDDEN, VISION_MLP)
        self.fc2 = nn.Linear(VISION_MLP, VISION_HIDDEN)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class VisionLayer(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self):
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(VISION_HIDDEN, eps=NORM_EPS)
        self.self_attn = VisionAttention()
        self.layer_norm2 = nn.LayerNorm(VISION_HIDDEN, eps=NORM_EPS)
        self.mlp = VisionMLP()

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class VisionTower(nn.Module):
    """uint8 tiles [n, 56, 56, 3] -> features [n, 16, 128], taken after the last block.

    As in R-4B, a final LayerNorm exists in the checkpoint format but is not applied: the
    projector brings its own norm. The exporter writes it as an identity.
    """

    def __init__(self):
        super().__init__()
        self.embeddings = VisionEmbeddings()
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(VisionLayer() for _ in range(VISION_LAYERS))

    def forward(self, tiles):
        x = self.embeddings(tiles.permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous())
        for layer in self.encoder.layers:
            x = layer(x)
        return x


class Projector(nn.Module):
    """LayerNorm -> linear -> exact GELU -> linear, into the decoder's embedding space."""

    def __init__(self):
        super().__init__()
        self.pre_norm = nn.LayerNorm(VISION_HIDDEN, eps=NORM_EPS)
        self.linear_1 = nn.Linear(VISION_HIDDEN, HIDDEN)
        self.linear_2 = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, x):
        return self.linear_2(F.gelu(self.linear_1(self.pre_norm(x))))


class RMSNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight, NORM_EPS)


def rotary_tables():
    """cos and sin [positions, head_dim] for half-rotation RoPE; sin carries the sign."""
    frequencies = ROPE_THETA ** (-torch.arange(0, HEAD_DIM, 2).float() / HEAD_DIM)
    angles = torch.outer(torch.arange(MAX_POSITIONS).float(), frequencies)
    sin = angles.sin()
    return torch.cat([angles.cos(), angles.cos()], 1), torch.cat([-sin, sin], 1)


def rotate(x, cos, sin):
    """Apply RoPE to x [batch, heads, length, head_dim]."""
    return x * cos + x.roll(HEAD_DIM // 2, -1) * sin


class Attention(nn.Module):
    """Grouped-query attention with q/k norms before RoPE, as in Qwen3."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(HIDDEN, HEADS * HEAD_DIM, bias=False)
        self.k_proj = nn.Linear(HIDDEN, KV_HEADS * HEAD_DIM, bias=False)
        self.v_proj = nn.Linear(HIDDEN, KV_HEADS * HEAD_DIM, bias=False)
        self.o_proj = nn.Linear(HEADS * HEAD_DIM, HIDDEN, bias=False)
        self.q_norm = RMSNorm(HEAD_DIM)
        self.k_norm = RMSNorm(HEAD_DIM)

    def forward(self, x, cos, sin, mask, cache):
        n, length, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(n, length, HEADS, HEAD_DIM)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(n, length, KV_HEADS, HEAD_DIM)).transpose(1, 2)
        v = self.v_proj(x).view(n, length, KV_HEADS, HEAD_DIM).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            cache[:] = [k, v]
        group = HEADS // KV_HEADS
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.o_proj(x.transpose(1, 2).reshape(n, length, HEADS * HEAD_DIM))


class GatedMLP(nn.Module):
    """SwiGLU."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(HIDDEN, MLP, bias=False)
        self.up_proj = nn.Linear(HIDDEN, MLP, bias=False)
        self.down_proj = nn.Linear(MLP, HIDDEN, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layernorm = RMSNorm(HIDDEN)
        self.self_attn = Attention()
        self.post_attention_layernorm = RMSNorm(HIDDEN)
        self.mlp = GatedMLP()

    def forward(self, x, cos, sin, mask, cache):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Qwen3: embeddings in, final hidden states out; the output head is the embedding, tied."""

    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCABULARY, HIDDEN)
        self.layers = nn.ModuleList(DecoderLayer() for _ in range(LAYERS))
        self.norm = RMSNorm(HIDDEN)
        cos, sin = rotary_tables()
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, x, positions, mask, caches=None):
        """x [n, length, hidden], positions [n, length], mask additive [n, 1, length, keys]."""
        cos, sin = self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, mask, None if caches is None else caches[i])
        return self.norm(x)

    def logits(self, x):
        return F.linear(x, self.embed_tokens.weight)


class Nano(nn.Module):
    """The whole model; `embed_pictures` gives each picture's token sequence in decoder space."""

    def __init__(self):
        super().__init__()
        self.vision_tower = nn.Module()
        self.vision_tower.vision_model = VisionTower()
        self.multi_modal_projector = Projector()
        self.image_newline = nn.Parameter(torch.randn(HIDDEN) * 0.02)
        self.language_model = Decoder()
        self.apply(initialise)

    def embed_pictures(self, features, orders):
        """Vision features per picture [tiles, 16, 128] -> packed embeddings per picture."""
        counts = [f.shape[0] * SIDE * SIDE for f in features]
        projected = self.multi_modal_projector(torch.cat(features).flatten(0, 1))
        newline = self.image_newline.unsqueeze(0)
        return [
            torch.cat([part, newline])[order]
            for part, order in zip(projected.split(counts), orders)
        ]


def initialise(module):
    """Small normal weights, zero biases."""
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.03)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)

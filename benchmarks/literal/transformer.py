"""Literal implementation of the transformer over frames, with explicit attention and released names."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class LayerNorm(nn.Module):
    """Layer norm with weight and bias named gamma and beta."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))
        self.beta = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, (len(self.gamma),), self.gamma, self.beta, 1e-12)


class Attention(nn.Module):
    """Multi-head self-attention by matmul, softmax and dropout."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.proj_q = nn.Linear(width, width)
        self.proj_k = nn.Linear(width, width)
        self.proj_v = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self._split(project(x)) for project in (self.proj_q, self.proj_k, self.proj_v))
        scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(q.shape[-1])  # (N, H, T, T)
        mixed = torch.matmul(self.drop(scores.softmax(dim=-1)), v)
        return mixed.transpose(1, 2).contiguous().view(x.shape)

    def _split(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        return x.view(n, t, self.num_heads, c // self.num_heads).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden_width)
        self.fc2 = nn.Linear(hidden_width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Post-norm attention and feed-forward."""

    def __init__(self, width: int, hidden_width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attn = Attention(width, num_heads, dropout)
        self.proj = nn.Linear(width, width)
        self.norm1 = LayerNorm(width)
        self.pwff = FeedForward(width, hidden_width)
        self.norm2 = LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.drop(self.proj(self.attn(x))))
        return self.norm2(x + self.drop(self.pwff(x)))


class Transformer(nn.Module):
    """Input layer norm and blocks, on tokens (N, T, C)."""

    def __init__(
        self, width: int, *, hidden_width: int, num_blocks: int, num_heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.norm = LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, hidden_width, num_heads, dropout) for _ in range(num_blocks))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        for block in self.blocks:
            x = block(x)
        return x

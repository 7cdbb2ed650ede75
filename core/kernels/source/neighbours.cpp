// Weighted sums over linked nodes, and the maximum over the nodes of a sub-part. Nodes are the outermost axis:
// x (V, N, C). See core/kernels/graph_convolution.py and core/kernels/sub_parts.py.
#include <algorithm>
#include <vector>

#include "elements.h"

namespace {

constexpr int64_t TILE = 32;  // rows handled together: V * TILE * C elements stay in cache

// A node's sums lie side by side: output w is (N, width[w] * C) and begins at N * C * first[w].
struct Sides {
  const int64_t* first;
  const int64_t* width;
};

struct Links {
  int64_t num_slots;
  const int64_t* starts;   // (num_slots + 1,): which links a slot sums
  const int64_t* nodes;    // node read by a link
  const float* weights;    // its weight
  const int64_t* owners;   // (num_slots,): node that a slot belongs to
  const int64_t* ranks;    // (num_slots,): its place among that node's slots
};

template <typename T>
void gather(const T* x, T* out, const Links& links, const Sides& sides, int64_t rows, int64_t channels) {
  const int64_t tiles = (rows + TILE - 1) / TILE;
#pragma omp parallel for schedule(static)
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t end = std::min(rows, (tile + 1) * TILE);
    for (int64_t slot = 0; slot < links.num_slots; ++slot) {
      const int64_t owner = links.owners[slot], width = sides.width[owner] * channels;
      T* target = out + rows * channels * sides.first[owner] + links.ranks[slot] * channels;
      const int64_t from = links.starts[slot], count = links.starts[slot + 1] - from;
      const int64_t* node = links.nodes + from;
      const float* weight = links.weights + from;
      for (int64_t r = tile * TILE; r < end; ++r) {
        const T* base = x + r * channels;
        T* row = target + r * width;
        const int64_t stride = rows * channels;
        const T *a = base + node[0] * stride, *b = base + node[count > 1 ? 1 : 0] * stride;
        const float wa = weight[0], wb = count > 1 ? weight[1] : 0.f;
        if (count <= 2) {
#pragma omp simd
          for (int64_t c = 0; c < channels; ++c) store(row + c, wa * load(a + c) + wb * load(b + c));
          continue;
        }
        for (int64_t first = 0; first < channels; first += 512) {
          const int64_t last = std::min(channels, first + 512);
          float sum[512];
#pragma omp simd
          for (int64_t c = first; c < last; ++c) sum[c - first] = wa * load(a + c) + wb * load(b + c);
          for (int64_t i = 2; i < count; ++i) {
            const T* other = base + node[i] * stride;
            const float w = weight[i];
#pragma omp simd
            for (int64_t c = first; c < last; ++c) sum[c - first] += w * load(other + c);
          }
#pragma omp simd
          for (int64_t c = first; c < last; ++c) store(row + c, sum[c - first]);
        }
      }
    }
  }
}

// The transpose: dx[v] = sum over the slots that read v. `links` holds, for each node v, (slot, weight) pairs.
template <typename T>
void scatter(const T* dout, T* dx, const Links& links, const Links& readers, const Sides& sides, int64_t rows, int64_t channels) {
  const int64_t tiles = (rows + TILE - 1) / TILE;
#pragma omp parallel for schedule(static)
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t end = std::min(rows, (tile + 1) * TILE);
    for (int64_t v = 0; v < readers.num_slots; ++v) {
      for (int64_t r = tile * TILE; r < end; ++r) {
        T* row = dx + (v * rows + r) * channels;
        for (int64_t first = 0; first < channels; first += 512) {
          const int64_t last = std::min(channels, first + 512);
          float sum[512] = {};
          for (int64_t i = readers.starts[v]; i < readers.starts[v + 1]; ++i) {
            const int64_t slot = readers.nodes[i], owner = links.owners[slot];
            const T* source = dout + rows * channels * sides.first[owner] + links.ranks[slot] * channels +
                              r * sides.width[owner] * channels;
            const float w = readers.weights[i];
#pragma omp simd
            for (int64_t c = first; c < last; ++c) sum[c - first] += w * load(source + c);
          }
#pragma omp simd
          for (int64_t c = first; c < last; ++c) store(row + c, sum[c - first]);
        }
      }
    }
  }
}

// The sum of each node's rows: out (V, C).
template <typename T>
void row_sums(const T* x, float* out, int64_t nodes, int64_t rows, int64_t channels) {
#pragma omp parallel for schedule(static)
  for (int64_t v = 0; v < nodes; ++v) {
    std::vector<float> block(channels);
    float* total = out + v * channels;
    std::fill(total, total + channels, 0.f);
    for (int64_t first = 0; first < rows; first += 64) {
      std::fill(block.begin(), block.end(), 0.f);
      float* sums = block.data();
      for (int64_t r = first; r < std::min(rows, first + 64); ++r) {
        const T* row = x + (v * rows + r) * channels;
#pragma omp simd
        for (int64_t c = 0; c < channels; ++c) sums[c] += load(row + c);
      }
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) total[c] += sums[c];
    }
  }
}

struct SubParts {
  int64_t count;
  const int64_t* starts;
  const int64_t* nodes;
};

template <typename T>
void pool(const T* x, T* y, const SubParts& parts, int64_t size) {
#pragma omp parallel for schedule(static)
  for (int64_t first = 0; first < size; first += 4096) {
    const int64_t last = std::min(size, first + 4096);
    for (int64_t s = 0; s < parts.count; ++s) {
      T* out = y + s * size;
      const int64_t* node = parts.nodes + parts.starts[s];
      const int64_t count = parts.starts[s + 1] - parts.starts[s];
      std::memcpy(out + first, x + node[0] * size + first, (last - first) * sizeof(T));
      for (int64_t i = 1; i < count; ++i) {
        const T* other = x + node[i] * size;
#pragma omp simd
        for (int64_t c = first; c < last; ++c) {
          const float a = load(out + c), b = load(other + c);
          store(out + c, b > a || b != b ? b : a);
        }
      }
    }
  }
}

// The gradient goes to the first node that is the maximum.
template <typename T>
void pool_backward(const T* dy, const T* x, const T* y, T* dx, const SubParts& parts, int64_t size) {
#pragma omp parallel for schedule(static)
  for (int64_t first = 0; first < size; first += 2048) {
    const int64_t last = std::min(size, first + 2048);
    float left[2048];
    for (int64_t s = 0; s < parts.count; ++s) {
#pragma omp simd
      for (int64_t c = first; c < last; ++c) left[c - first] = load(dy + s * size + c);
      for (int64_t i = parts.starts[s]; i < parts.starts[s + 1]; ++i) {
        const T* node = x + parts.nodes[i] * size;
        T* out = dx + parts.nodes[i] * size;
#pragma omp simd
        for (int64_t c = first; c < last; ++c) {
          const bool here = load(node + c) == load(y + s * size + c);
          store(out + c, here ? left[c - first] : 0.f);
          left[c - first] = here ? 0.f : left[c - first];
        }
      }
    }
  }
}

}  // namespace

#define EXPORT(T, SUFFIX)                                                                                        \
  extern "C" void neighbours_gather_##SUFFIX(const T* x, T* out, Links links, Sides sides, int64_t rows,          \
                                             int64_t channels) {                                                 \
    gather<T>(x, out, links, sides, rows, channels);                                                             \
  }                                                                                                              \
  extern "C" void neighbours_scatter_##SUFFIX(const T* dout, T* dx, Links links, Links readers, Sides sides,      \
                                              int64_t rows, int64_t channels) {                                  \
    scatter<T>(dout, dx, links, readers, sides, rows, channels);                                                 \
  }                                                                                                              \
  extern "C" void row_sums_##SUFFIX(const T* x, float* out, int64_t nodes, int64_t rows, int64_t channels) {      \
    row_sums<T>(x, out, nodes, rows, channels);                                                                  \
  }                                                                                                              \
  extern "C" void sub_parts_forward_##SUFFIX(const T* x, T* y, SubParts parts, int64_t size) {                    \
    pool<T>(x, y, parts, size);                                                                                  \
  }                                                                                                              \
  extern "C" void sub_parts_backward_##SUFFIX(const T* dy, const T* x, const T* y, T* dx, SubParts parts,         \
                                              int64_t size) {                                                    \
    pool_backward<T>(dy, x, y, dx, parts, size);                                                                 \
  }

EXPORT(float, float32)
EXPORT(bfloat16, bfloat16)

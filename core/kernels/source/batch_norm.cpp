// Batch norm of x (V, G, R, C) plus offsets (V, C): channel statistics of each group g over nodes v and rows r, then
// y = relu(dropout(scale * x + shift) + residual), forward and backward. See core/kernels/batch_norm.py.
#include <omp.h>

#include <algorithm>
#include <vector>

#include "elements.h"

namespace {

constexpr int64_t BLOCK = 64;  // rows whose sums are kept in float before they are added in double

struct Shape {
  int64_t nodes, groups, rows, channels;
  int64_t blocks() const { return nodes * groups * ((rows + BLOCK - 1) / BLOCK); }
};

struct Block {
  int64_t node, group, first, last;
};

Block block_of(const Shape& s, int64_t index) {
  const int64_t per = (s.rows + BLOCK - 1) / BLOCK, part = index % per, outer = index / per;
  return {outer / s.groups, outer % s.groups, part * BLOCK, std::min(s.rows, (part + 1) * BLOCK)};
}

int64_t offset_of(const Shape& s, const Block& b, int64_t row) {
  return ((b.node * s.groups + b.group) * s.rows + row) * s.channels;
}

int64_t row_id(const Shape& s, const Block& b, int64_t row, const Dropout& d) {
  return ((d.first_row + row) * s.groups + b.group) * s.nodes + b.node;
}

// One thread's doubles each; added in the order of the threads, so that the result is always the same.
struct Sums {
  explicit Sums(int64_t size) : size(size), totals(size * omp_get_max_threads(), 0.0) {}
  int64_t size;
  std::vector<double> totals;
  double* mine() { return totals.data() + omp_get_thread_num() * size; }
  void merge_into(double* out) const {
    for (size_t i = 0; i < totals.size(); ++i) out[i % size] += totals[i];
  }
};

template <typename T>
void moments(const T* x, const float* offsets, double* out, Shape s) {
  const int64_t per_group = s.channels, all = s.groups * s.channels;
  Sums sums(2 * all);
#pragma omp parallel
  {
    std::vector<float> plain(per_group), squares(per_group);
#pragma omp for schedule(static)
    for (int64_t index = 0; index < s.blocks(); ++index) {
      const Block b = block_of(s, index);
      const T* pivot = x + b.group * s.rows * s.channels;  // the group's first row: keeps differences small
      const float* f = offsets + b.node * s.channels;
      std::fill(plain.begin(), plain.end(), 0.f);
      std::fill(squares.begin(), squares.end(), 0.f);
      for (int64_t r = b.first; r < b.last; ++r) {
        const T* row = x + offset_of(s, b, r);
        float* p = plain.data();
        float* q = squares.data();
#pragma omp simd
        for (int64_t c = 0; c < per_group; ++c) {
          const float value = load(row + c) + f[c] - (load(pivot + c) + offsets[c]);
          p[c] += value;
          q[c] += value * value;
        }
      }
      double* total = sums.mine() + b.group * per_group;
      for (int64_t c = 0; c < per_group; ++c) {
        total[c] += plain[c];
        total[all + c] += squares[c];
      }
    }
  }
  sums.merge_into(out);
}

template <typename T, bool DROP, bool RESIDUAL, bool RELU>
void forward(const T* x, const float* offsets, const float* scale, const float* shift, const T* residual, T* y, Shape s, Dropout d) {
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < s.blocks(); ++index) {
    const Block b = block_of(s, index);
    alignas(64) int64_t lanes[MAX_CHANNELS / 4];
    const Lane* lane = reinterpret_cast<const Lane*>(lanes);
    const float* a = scale + b.group * s.channels;
    const float* o = shift + b.group * s.channels;
    const float* f = offsets + b.node * s.channels;
    for (int64_t r = b.first; r < b.last; ++r) {
      const int64_t offset = offset_of(s, b, r);
      if (DROP) draw_lanes(lanes, row_id(s, b, r, d), s.channels, d.seed);
#pragma omp simd
      for (int64_t c = 0; c < s.channels; ++c) {
        float value = (load(x + offset + c) + f[c]) * a[c] + o[c];
        if (DROP) value = lane[c] < d.threshold ? 0.f : value * d.scale;
        if (RESIDUAL) value += load(residual + offset + c);
        if (RELU) value = value < 0.f ? 0.f : value;
        store(y + offset + c, value);
      }
    }
  }
}

template <typename T, bool DROP, bool RELU>
void backward_sums(const T* dy, const T* y, const T* x, const float* offsets, const float* mean, double* out, Shape s,
                   Dropout d) {
  const int64_t all = s.groups * s.channels;
  Sums sums(2 * all);
#pragma omp parallel
  {
    std::vector<float> plain(s.channels), weighed(s.channels);
    alignas(64) int64_t lanes[MAX_CHANNELS / 4];
    const Lane* lane = reinterpret_cast<const Lane*>(lanes);
#pragma omp for schedule(static)
    for (int64_t index = 0; index < s.blocks(); ++index) {
      const Block b = block_of(s, index);
      const float* m = mean + b.group * s.channels;
      const float* f = offsets + b.node * s.channels;
      std::fill(plain.begin(), plain.end(), 0.f);
      std::fill(weighed.begin(), weighed.end(), 0.f);
      for (int64_t r = b.first; r < b.last; ++r) {
        const int64_t offset = offset_of(s, b, r);
        if (DROP) draw_lanes(lanes, row_id(s, b, r, d), s.channels, d.seed);
        float* p = plain.data();
        float* q = weighed.data();
#pragma omp simd
        for (int64_t c = 0; c < s.channels; ++c) {
          float g = load(dy + offset + c);
          if (RELU) g = load(y + offset + c) > 0.f ? g : 0.f;
          if (DROP) g = lane[c] < d.threshold ? 0.f : g * d.scale;
          p[c] += g;
          q[c] += g * (load(x + offset + c) + f[c] - m[c]);
        }
      }
      double* total = sums.mine() + b.group * s.channels;
      for (int64_t c = 0; c < s.channels; ++c) {
        total[c] += plain[c];
        total[all + c] += weighed[c];
      }
    }
  }
  sums.merge_into(out);
}

// dx = a * g + b * (x - mean) + c, and the residual's gradient where one is wanted.
template <typename T, bool DROP, bool RESIDUAL, bool RELU>
void backward(const T* dy, const T* y, const T* x, const float* offsets, const float* mean, const float* coefficients, T* dx,
              T* dresidual, Shape s, Dropout d) {
  const int64_t all = s.groups * s.channels;
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < s.blocks(); ++index) {
    const Block blk = block_of(s, index);
    alignas(64) int64_t lanes[MAX_CHANNELS / 4];
    const Lane* lane = reinterpret_cast<const Lane*>(lanes);
    const float* m = mean + blk.group * s.channels;
    const float* f = offsets + blk.node * s.channels;
    const float* a = coefficients + blk.group * s.channels;
    const float* b = a + all;
    const float* k = b + all;
    for (int64_t r = blk.first; r < blk.last; ++r) {
      const int64_t offset = offset_of(s, blk, r);
      if (DROP) draw_lanes(lanes, row_id(s, blk, r, d), s.channels, d.seed);
#pragma omp simd
      for (int64_t c = 0; c < s.channels; ++c) {
        float g = load(dy + offset + c);
        if (RELU) g = load(y + offset + c) > 0.f ? g : 0.f;
        if (RESIDUAL) store(dresidual + offset + c, g);
        if (DROP) g = lane[c] < d.threshold ? 0.f : g * d.scale;
        store(dx + offset + c, a[c] * g + b[c] * (load(x + offset + c) + f[c] - m[c]) + k[c]);
      }
    }
  }
}

template <typename T>
void forward_any(const T* x, const float* offsets, const float* scale, const float* shift, const T* residual, T* y, Shape s, Dropout d, bool relu) {
  const bool drop = d.threshold > -32768;
#define CASE(D, R, L) \
  if (drop == D && (residual != nullptr) == R && relu == L) return forward<T, D, R, L>(x, offsets, scale, shift, residual, y, s, d)
  CASE(false, false, false); CASE(false, false, true); CASE(false, true, false); CASE(false, true, true);
  CASE(true, false, false); CASE(true, false, true); CASE(true, true, false); CASE(true, true, true);
#undef CASE
}

template <typename T>
void backward_sums_any(const T* dy, const T* y, const T* x, const float* offsets, const float* mean, double* out, Shape s,
                       Dropout d, bool relu) {
  const bool drop = d.threshold > -32768;
#define CASE(D, L) \
  if (drop == D && relu == L) return backward_sums<T, D, L>(dy, y, x, offsets, mean, out, s, d)
  CASE(false, false); CASE(false, true); CASE(true, false); CASE(true, true);
#undef CASE
}

template <typename T>
void backward_any(const T* dy, const T* y, const T* x, const float* offsets, const float* mean, const float* coefficients, T* dx,
                  T* dresidual, Shape s, Dropout d, bool relu) {
  const bool drop = d.threshold > -32768;
#define CASE(D, R, L)                                              \
  if (drop == D && (dresidual != nullptr) == R && relu == L)       \
  return backward<T, D, R, L>(dy, y, x, offsets, mean, coefficients, dx, dresidual, s, d)
  CASE(false, false, false); CASE(false, false, true); CASE(false, true, false); CASE(false, true, true);
  CASE(true, false, false); CASE(true, false, true); CASE(true, true, false); CASE(true, true, true);
#undef CASE
}

}  // namespace

#define EXPORT(T, SUFFIX)                                                                                         \
  extern "C" void batch_norm_moments_##SUFFIX(const T* x, const float* offsets, double* out, Shape s) {           \
    moments<T>(x, offsets, out, s);                                                                               \
  }                                                                                                               \
  extern "C" void batch_norm_forward_##SUFFIX(const T* x, const float* offsets, const float* scale,               \
                                              const float* shift, const T* residual, T* y, Shape s, Dropout d,    \
                                              int64_t relu) {                                                     \
    forward_any<T>(x, offsets, scale, shift, residual, y, s, d, relu != 0);                                       \
  }                                                                                                               \
  extern "C" void batch_norm_backward_sums_##SUFFIX(const T* dy, const T* y, const T* x, const float* offsets,    \
                                                    const float* mean, double* out, Shape s, Dropout d,           \
                                                    int64_t relu) {                                               \
    backward_sums_any<T>(dy, y, x, offsets, mean, out, s, d, relu != 0);                                          \
  }                                                                                                               \
  extern "C" void batch_norm_backward_##SUFFIX(const T* dy, const T* y, const T* x, const float* offsets,         \
                                               const float* mean, const float* coefficients, T* dx, T* dresidual, \
                                               Shape s, Dropout d, int64_t relu) {                                \
    backward_any<T>(dy, y, x, offsets, mean, coefficients, dx, dresidual, s, d, relu != 0);                       \
  }

EXPORT(float, float32)
EXPORT(bfloat16, bfloat16)

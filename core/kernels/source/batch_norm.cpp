// Batch norm of x (V, G, R, C) plus offsets (V, C): channel statistics of each group g over nodes v and rows r, then
// y = relu(dropout(scale * x + shift) + residual), forward and backward. See core/kernels/batch_norm.py.
#include <algorithm>

#include "norm.h"

namespace {

constexpr int64_t BLOCK = 64;  // rows whose sums are kept in float before they are added in double

int64_t blocks_of(const Shape& s) { return s.nodes * s.groups * ((s.rows + BLOCK - 1) / BLOCK); }

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

// out (2, G, C): mean and biased variance.
template <typename T>
void moments(const T* x, const float* offsets, double* out, Shape s) {
  const int64_t per_group = s.channels, all = s.groups * s.channels;
  Sums sums(2 * all);
#pragma omp parallel
  {
    std::vector<float> plain(per_group), squares(per_group);
#pragma omp for schedule(static)
    for (int64_t index = 0; index < blocks_of(s); ++index) {
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
  const double count = static_cast<double>(s.nodes * s.rows);
  for (int64_t i = 0; i < all; ++i) {
    const double shift = out[i] / count, square = out[all + i] / count;
    const float pivot = load(x + (i / s.channels) * s.rows * s.channels + i % s.channels);
    out[i] = static_cast<double>(pivot) + offsets[i % s.channels] + shift;
    out[all + i] = std::max(square - shift * shift, 0.0);
  }
}

// See `Running` in core/kernels/norm_passes.py. Groups are one after the other.
void track(const Running& to, const float* mean, const float* variance, int64_t groups, int64_t channels) {
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t c = 0; c < channels; ++c) {
      const float full = mean[g * channels + c] + (to.left_out == nullptr ? 0.f : to.left_out[c]);
      to.mean[c] += to.momentum * (full - to.mean[c]);
      to.variance[c] += to.momentum * (variance[g * channels + c] * to.correction - to.variance[c]);
    }
}

template <typename T, bool DROP, bool RESIDUAL, bool RELU>
void forward(const T* x, const Norm& n, const T* residual, T* y, Shape s, Dropout d) {
  std::vector<float> scale(s.groups * s.channels), shift(s.groups * s.channels);
  for (int64_t i = 0; i < s.groups * s.channels; ++i) {
    scale[i] = n.inverse_deviation(i) * n.weight[i % s.channels];
    shift[i] = n.bias[i % s.channels] - n.mean[i] * scale[i];
  }
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < blocks_of(s); ++index) {
    const Block b = block_of(s, index);
    alignas(64) int64_t lanes[MAX_CHANNELS / 4];
    const Lane* lane = reinterpret_cast<const Lane*>(lanes);
    const float* a = scale.data() + b.group * s.channels;
    const float* o = shift.data() + b.group * s.channels;
    const float* f = n.offsets + b.node * s.channels;
    for (int64_t r = b.first; r < b.last; ++r) {
      const int64_t offset = offset_of(s, b, r);
      if (DROP) draw_lanes(lanes, row_id(s, d, b.node, b.group, r), s.channels, d.seed);
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

// out (2, G, C): sums of the gradient, and of the gradient times the centred input. learned (2, C): the gradients of
// weight and bias.
template <typename T, bool DROP, bool RELU>
void backward_sums(const T* dy, const T* y, const T* x, const Norm& n, double* out, float* learned, Shape s, Dropout d) {
  const int64_t all = s.groups * s.channels;
  Sums sums(2 * all);
#pragma omp parallel
  {
    std::vector<float> plain(s.channels), weighed(s.channels);
    alignas(64) int64_t lanes[MAX_CHANNELS / 4];
    const Lane* lane = reinterpret_cast<const Lane*>(lanes);
#pragma omp for schedule(static)
    for (int64_t index = 0; index < blocks_of(s); ++index) {
      const Block b = block_of(s, index);
      const float* m = n.mean + b.group * s.channels;
      const float* f = n.offsets + b.node * s.channels;
      std::fill(plain.begin(), plain.end(), 0.f);
      std::fill(weighed.begin(), weighed.end(), 0.f);
      for (int64_t r = b.first; r < b.last; ++r) {
        const int64_t offset = offset_of(s, b, r);
        if (DROP) draw_lanes(lanes, row_id(s, d, b.node, b.group, r), s.channels, d.seed);
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
  for (int64_t c = 0; c < s.channels; ++c) {
    double weight = 0.0, bias = 0.0;
    for (int64_t i = c; i < all; i += s.channels) {
      weight += out[all + i] * n.inverse_deviation(i);
      bias += out[i];
    }
    learned[c] = static_cast<float>(weight);
    learned[s.channels + c] = static_cast<float>(bias);
  }
}

// dx, and the residual's gradient where one is wanted.
template <typename T, bool DROP, bool RESIDUAL, bool RELU>
void backward(const T* dy, const T* y, const T* x, const Norm& n, const double* sums, int64_t count, T* dx, T* dresidual,
              Shape s, Dropout d) {
  const Coefficients of(n, sums, count, s.groups * s.channels, s.channels);
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < blocks_of(s); ++index) {
    const Block blk = block_of(s, index);
    alignas(64) int64_t lanes[MAX_CHANNELS / 4];
    const Lane* lane = reinterpret_cast<const Lane*>(lanes);
    const float* m = n.mean + blk.group * s.channels;
    const float* f = n.offsets + blk.node * s.channels;
    const float* a = of.slope.data() + blk.group * s.channels;
    const float* b = of.slant.data() + blk.group * s.channels;
    const float* k = of.level.data() + blk.group * s.channels;
    for (int64_t r = blk.first; r < blk.last; ++r) {
      const int64_t offset = offset_of(s, blk, r);
      if (DROP) draw_lanes(lanes, row_id(s, d, blk.node, blk.group, r), s.channels, d.seed);
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
void forward_any(const T* x, const Norm& n, const T* residual, T* y, Shape s, Dropout d, bool relu) {
  const bool drop = d.threshold > -32768;
#define CASE(D, R, L) \
  if (drop == D && (residual != nullptr) == R && relu == L) return forward<T, D, R, L>(x, n, residual, y, s, d)
  CASE(false, false, false); CASE(false, false, true); CASE(false, true, false); CASE(false, true, true);
  CASE(true, false, false); CASE(true, false, true); CASE(true, true, false); CASE(true, true, true);
#undef CASE
}

template <typename T>
void backward_sums_any(const T* dy, const T* y, const T* x, const Norm& n, double* out, float* learned, Shape s, Dropout d,
                       bool relu) {
  const bool drop = d.threshold > -32768;
#define CASE(D, L) \
  if (drop == D && relu == L) return backward_sums<T, D, L>(dy, y, x, n, out, learned, s, d)
  CASE(false, false); CASE(false, true); CASE(true, false); CASE(true, true);
#undef CASE
}

template <typename T>
void backward_any(const T* dy, const T* y, const T* x, const Norm& n, const double* sums, int64_t count, T* dx, T* dresidual,
                  Shape s, Dropout d, bool relu) {
  const bool drop = d.threshold > -32768;
#define CASE(D, R, L)                                        \
  if (drop == D && (dresidual != nullptr) == R && relu == L) \
  return backward<T, D, R, L>(dy, y, x, n, sums, count, dx, dresidual, s, d)
  CASE(false, false, false); CASE(false, false, true); CASE(false, true, false); CASE(false, true, true);
  CASE(true, false, false); CASE(true, false, true); CASE(true, true, false); CASE(true, true, true);
#undef CASE
}

}  // namespace

#define EXPORT(T, SUFFIX)                                                                                             \
  extern "C" void batch_norm_moments_##SUFFIX(const T* x, const float* offsets, double* out, Shape s) {               \
    moments<T>(x, offsets, out, s);                                                                                   \
  }                                                                                                                   \
  extern "C" void batch_norm_forward_##SUFFIX(const T* x, Norm n, const T* residual, T* y, Shape s, Dropout d,        \
                                              int64_t relu) {                                                         \
    forward_any<T>(x, n, residual, y, s, d, relu != 0);                                                               \
  }                                                                                                                   \
  extern "C" void batch_norm_backward_sums_##SUFFIX(const T* dy, const T* y, const T* x, Norm n, double* out,         \
                                                    float* learned, Shape s, Dropout d, int64_t relu) {               \
    backward_sums_any<T>(dy, y, x, n, out, learned, s, d, relu != 0);                                                 \
  }                                                                                                                   \
  extern "C" void batch_norm_backward_##SUFFIX(const T* dy, const T* y, const T* x, Norm n, const double* sums,       \
                                               int64_t count, T* dx, T* dresidual, Shape s, Dropout d,                \
                                               int64_t relu) {                                                        \
    backward_any<T>(dy, y, x, n, sums, count, dx, dresidual, s, d, relu != 0);                                        \
  }

EXPORT(float, float32)
EXPORT(bfloat16, bfloat16)

extern "C" void track_moments_float32(const float* mean, const float* variance, Running running, int64_t groups,
                                      int64_t channels) {
  track(running, mean, variance, groups, channels);
}

// Rounds `moments` (2, G, C) to `statistics`, moves the running ones, and normalises by them; `norm` has neither yet.
extern "C" void batch_norm_by_moments_float32(const float* x, const double* moments, float* statistics, Norm norm, Running running,
                                              const float* residual, float* y, Shape shape, Dropout dropout, int64_t relu) {
  const int64_t all = shape.groups * shape.channels;
  for (int64_t i = 0; i < 2 * all; ++i) statistics[i] = static_cast<float>(moments[i]);
  track(running, statistics, statistics + all, shape.groups, shape.channels);
  norm.mean = statistics;
  norm.variance = statistics + all;
  forward_any<float>(x, norm, residual, y, shape, dropout, relu != 0);
}

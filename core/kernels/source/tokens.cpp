// Operations on tokens (rows of C channels): layer norm of a dropped-out branch and its residual, softmax with
// dropout, and windows of neighbouring frames. See core/kernels/layer_norm.py, attention.py and windows.py.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "elements.h"

namespace {

template <typename T>
inline void sum_row(float* sum, const T* branch, const T* residual, int64_t channels, int64_t row, const Dropout& d,
                    int64_t* lanes) {
  if (d.threshold > -32768) {
    draw_lanes(lanes, d.first_row + row, channels, d.seed);
    const Lane* lane = reinterpret_cast<const Lane*>(lanes);
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c)
      sum[c] = lane[c] < d.threshold ? 0.f : load(branch + row * channels + c) * d.scale;
  } else {
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) sum[c] = load(branch + row * channels + c);
  }
  if (residual != nullptr) {
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) sum[c] += load(residual + row * channels + c);
  }
}

template <typename T>
void layer_norm(const T* branch, const T* residual, const float* weight, const float* bias, T* y, float* mean,
                float* inverse_deviation, int64_t rows, int64_t channels, float eps, Dropout d) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    alignas(64) int64_t lanes[MAX_CHANNELS / 4];
    alignas(64) float sum[MAX_CHANNELS];
    sum_row(sum, branch, residual, channels, r, d, lanes);
    float total = 0.f, squares = 0.f;
#pragma omp simd reduction(+ : total)
    for (int64_t c = 0; c < channels; ++c) total += sum[c];
    const float centre = total / channels;
#pragma omp simd reduction(+ : squares)
    for (int64_t c = 0; c < channels; ++c) squares += (sum[c] - centre) * (sum[c] - centre);
    const float scale = 1.f / std::sqrt(squares / channels + eps);
    mean[r] = centre;
    inverse_deviation[r] = scale;
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c)
      store(y + r * channels + c, (sum[c] - centre) * scale * weight[c] + bias[c]);
  }
}

template <typename T>
void layer_norm_backward(const T* dy, const T* branch, const T* residual, const float* weight, const float* mean,
                         const float* inverse_deviation, T* dbranch, T* dresidual, float* dweight, float* dbias,
                         int64_t rows, int64_t channels, Dropout d) {
  const bool drop = d.threshold > -32768;
  std::vector<float> sums(2 * channels * omp_get_max_threads(), 0.f);  // a thread's own, added in their order
#pragma omp parallel
  {
    float* dw = sums.data() + 2 * channels * omp_get_thread_num();
    float* db = dw + channels;
    alignas(64) int64_t lanes[MAX_CHANNELS / 4];
    alignas(64) float sum[MAX_CHANNELS];
    alignas(64) float gradient[MAX_CHANNELS];
    const Lane* lane = reinterpret_cast<const Lane*>(lanes);
#pragma omp for schedule(static)
    for (int64_t r = 0; r < rows; ++r) {
      sum_row(sum, branch, residual, channels, r, d, lanes);
      const float centre = mean[r], scale = inverse_deviation[r];
      float plain = 0.f, weighed = 0.f;
#pragma omp simd reduction(+ : plain, weighed)
      for (int64_t c = 0; c < channels; ++c) {
        const float g = load(dy + r * channels + c), normal = (sum[c] - centre) * scale;
        dw[c] += g * normal;
        db[c] += g;
        gradient[c] = g * weight[c];
        sum[c] = normal;
        plain += gradient[c];
        weighed += gradient[c] * normal;
      }
      plain /= channels;
      weighed /= channels;
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) {
        const float g = scale * (gradient[c] - plain - sum[c] * weighed);
        if (dresidual != nullptr) store(dresidual + r * channels + c, g);
        store(dbranch + r * channels + c, !drop ? g : lane[c] < d.threshold ? 0.f : g * d.scale);
      }
    }
  }
  for (size_t i = 0; i < sums.size(); i += 2 * channels)
    for (int64_t c = 0; c < channels; ++c) {
      dweight[c] += sums[i + c];
      dbias[c] += sums[i + channels + c];
    }
}

// probabilities = softmax(scale * scores); dropped = dropout(probabilities).
template <typename T>
void softmax(const T* scores, T* probabilities, T* dropped, int64_t rows, int64_t columns, float scale, Dropout d) {
  const bool drop = d.threshold > -32768;
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    alignas(64) int64_t lanes[MAX_CHANNELS / 4];
    alignas(64) float value[MAX_CHANNELS];
    const Lane* lane = reinterpret_cast<const Lane*>(lanes);
    float largest = -INFINITY, total = 0.f;
#pragma omp simd reduction(max : largest)
    for (int64_t c = 0; c < columns; ++c) {
      value[c] = scale * load(scores + r * columns + c);
      largest = std::max(largest, value[c]);
    }
#pragma omp simd reduction(+ : total)
    for (int64_t c = 0; c < columns; ++c) {
      value[c] = std::exp(value[c] - largest);
      total += value[c];
    }
    const float share = 1.f / total;
    if (drop) draw_lanes(lanes, d.first_row + r, columns, d.seed);
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) {
      const float p = value[c] * share;
      store(probabilities + r * columns + c, p);
      if (drop) store(dropped + r * columns + c, lane[c] < d.threshold ? 0.f : p * d.scale);
    }
  }
}

template <typename T>
void softmax_backward(const T* ddropped, const T* probabilities, T* dscores, int64_t rows, int64_t columns, float scale, Dropout d) {
  const bool drop = d.threshold > -32768;
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    alignas(64) int64_t lanes[MAX_CHANNELS / 4];
    alignas(64) float gradient[MAX_CHANNELS];
    const Lane* lane = reinterpret_cast<const Lane*>(lanes);
    if (drop) draw_lanes(lanes, d.first_row + r, columns, d.seed);
    float total = 0.f;
#pragma omp simd reduction(+ : total)
    for (int64_t c = 0; c < columns; ++c) {
      const float g = load(ddropped + r * columns + c);
      gradient[c] = !drop ? g : lane[c] < d.threshold ? 0.f : g * d.scale;
      total += gradient[c] * load(probabilities + r * columns + c);
    }
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c)
      store(dscores + r * columns + c, scale * load(probabilities + r * columns + c) * (gradient[c] - total));
  }
}

// out (B, T, size * C): frames t - size / 2 ... t + size / 2 side by side, zeros beyond the clip.
template <typename T>
void windows(const T* x, T* out, int64_t clips, int64_t frames, int64_t channels, int64_t size) {
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < clips * frames; ++row) {
    const int64_t t = row % frames;
    for (int64_t i = 0; i < size; ++i) {
      const int64_t from = t + i - size / 2;
      T* target = out + (row * size + i) * channels;
      if (from < 0 || from >= frames)
        std::memset(target, 0, channels * sizeof(T));
      else
        std::memcpy(target, x + (row - t + from) * channels, channels * sizeof(T));
    }
  }
}

template <typename T>
void windows_backward(const T* dout, T* dx, int64_t clips, int64_t frames, int64_t channels, int64_t size) {
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < clips * frames; ++row) {
    alignas(64) float sum[MAX_CHANNELS];
    std::fill(sum, sum + channels, 0.f);
    const int64_t t = row % frames;
    for (int64_t i = 0; i < size; ++i) {
      const int64_t at = t - i + size / 2;
      if (at < 0 || at >= frames) continue;
      const T* source = dout + ((row - t + at) * size + i) * channels;
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) sum[c] += load(source + c);
    }
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) store(dx + row * channels + c, sum[c]);
  }
}

}  // namespace

#define EXPORT(T, SUFFIX)                                                                                              \
  extern "C" void layer_norm_forward_##SUFFIX(const T* branch, const T* residual, const float* weight,                  \
                                              const float* bias, T* y, float* mean, float* inverse_deviation,           \
                                              int64_t rows, int64_t channels, float eps, Dropout d) {                   \
    layer_norm<T>(branch, residual, weight, bias, y, mean, inverse_deviation, rows, channels, eps, d);                 \
  }                                                                                                                    \
  extern "C" void layer_norm_backward_##SUFFIX(const T* dy, const T* branch, const T* residual, const float* weight,    \
                                               const float* mean, const float* inverse_deviation, T* dbranch,           \
                                               T* dresidual, float* dweight, float* dbias, int64_t rows,                \
                                               int64_t channels, Dropout d) {                                          \
    layer_norm_backward<T>(dy, branch, residual, weight, mean, inverse_deviation, dbranch, dresidual, dweight, dbias,  \
                           rows, channels, d);                                                                         \
  }                                                                                                                    \
  extern "C" void softmax_forward_##SUFFIX(const T* scores, T* probabilities, T* dropped, int64_t rows,                 \
                                           int64_t columns, float scale, Dropout d) {                                  \
    softmax<T>(scores, probabilities, dropped, rows, columns, scale, d);                                               \
  }                                                                                                                    \
  extern "C" void softmax_backward_##SUFFIX(const T* ddropped, const T* probabilities, T* dscores, int64_t rows,        \
                                            int64_t columns, float scale, Dropout d) {                                 \
    softmax_backward<T>(ddropped, probabilities, dscores, rows, columns, scale, d);                                    \
  }                                                                                                                    \
  extern "C" void windows_forward_##SUFFIX(const T* x, T* out, int64_t clips, int64_t frames, int64_t channels,         \
                                           int64_t size) {                                                             \
    windows<T>(x, out, clips, frames, channels, size);                                                                 \
  }                                                                                                                    \
  extern "C" void windows_backward_##SUFFIX(const T* dout, T* dx, int64_t clips, int64_t frames, int64_t channels,      \
                                            int64_t size) {                                                            \
    windows_backward<T>(dout, dx, clips, frames, channels, size);                                                      \
  }

EXPORT(float, float32)
EXPORT(bfloat16, bfloat16)

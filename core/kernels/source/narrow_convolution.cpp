// Convolution over the frames of clips, for narrow float layers, with bias and ReLU: a clip at a time, in cache.
// x (B, T, C), y (B, T, D), weights (size, C, D); T stays, because zeros pad both ends. See
// core/kernels/narrow_convolution.py.
#include <omp.h>

#include <algorithm>
#include <vector>

#include "products.h"

namespace {

struct Convolution {
  int64_t clips, frames, in, out, size;
  int64_t reach() const { return size / 2; }
  int64_t padded() const { return frames + size - 1; }
};

void forward(const float* x, const float* weights, const float* bias, float* y, const Convolution& c, bool relu) {
#pragma omp parallel
  {
    std::vector<float> padded(c.padded() * c.in, 0.f);
#pragma omp for schedule(static)
    for (int64_t clip = 0; clip < c.clips; ++clip) {
      std::copy_n(x + clip * c.frames * c.in, c.frames * c.in, padded.data() + c.reach() * c.in);
      float* out = y + clip * c.frames * c.out;
      for (int64_t t = 0; t < c.frames; ++t) std::copy_n(bias, c.out, out + t * c.out);
      for (int64_t i = 0; i < c.size; ++i)
        multiply<true>({padded.data() + i * c.in, c.in, 1}, weights + i * c.in * c.out, c.out, c.frames, c.out, c.in, out, c.out);
      if (relu)
#pragma omp simd
        for (int64_t j = 0; j < c.frames * c.out; ++j) out[j] = out[j] < 0.f ? 0.f : out[j];
    }
  }
}

// `transposed` (size, D, C). dx may be null. `learned`: the gradients of weights (size, C, D) and bias (D,).
void backward(const float* dy, const float* y, const float* x, const float* transposed, float* dx, float* learned,
              const Convolution& c, bool relu) {
  const int64_t num_weights = c.size * c.in * c.out, size = num_weights + c.out;
  std::vector<float> sums(size * omp_get_max_threads(), 0.f);  // a thread's own, added in their order
#pragma omp parallel
  {
    float* mine = sums.data() + size * omp_get_thread_num();
    float* bias = mine + num_weights;
    std::vector<float> padded(c.padded() * c.in, 0.f), through(c.padded() * c.out, 0.f);
    float* gradient = through.data() + c.reach() * c.out;
#pragma omp for schedule(static)
    for (int64_t clip = 0; clip < c.clips; ++clip) {
      const int64_t at = clip * c.frames * c.out;
      std::copy_n(x + clip * c.frames * c.in, c.frames * c.in, padded.data() + c.reach() * c.in);
      std::copy_n(dy + at, c.frames * c.out, gradient);
      if (relu)
#pragma omp simd
        for (int64_t j = 0; j < c.frames * c.out; ++j) gradient[j] = y[at + j] > 0.f ? gradient[j] : 0.f;
      for (int64_t t = 0; t < c.frames; ++t)
#pragma omp simd
        for (int64_t j = 0; j < c.out; ++j) bias[j] += gradient[t * c.out + j];
      float* out = dx == nullptr ? nullptr : dx + clip * c.frames * c.in;
      if (out != nullptr) std::fill_n(out, c.frames * c.in, 0.f);
      for (int64_t i = 0; i < c.size; ++i) {
        multiply<true>({padded.data() + i * c.in, 1, c.in}, gradient, c.out, c.in, c.out, c.frames, mine + i * c.in * c.out, c.out);
        if (out == nullptr) continue;
        const Left later{through.data() + (c.size - 1 - i) * c.out, c.out, 1};  // frame t + reach - i
        multiply<true>(later, transposed + i * c.out * c.in, c.in, c.frames, c.in, c.out, out, c.in);
      }
    }
  }
  std::fill_n(learned, size, 0.f);
  for (size_t i = 0; i < sums.size(); ++i) learned[i % size] += sums[i];
}

}  // namespace

extern "C" void narrow_convolution_forward_float32(const float* x, const float* weights, const float* bias, float* y,
                                                   Convolution convolution, int64_t relu) {
  forward(x, weights, bias, y, convolution, relu != 0);
}

extern "C" void narrow_convolution_backward_float32(const float* dy, const float* y, const float* x, const float* transposed,
                                                    float* dx, float* learned, Convolution convolution, int64_t relu) {
  backward(dy, y, x, transposed, dx, learned, convolution, relu != 0);
}

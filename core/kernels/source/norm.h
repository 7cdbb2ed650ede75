// What the kernels of batch norm know of a layer: see core/kernels/norm_passes.py.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include <omp.h>

#include "elements.h"

struct Shape {
  int64_t nodes, groups, rows, channels;
};

// See `Norm`.
struct Norm {
  const float *offsets, *mean, *variance, *weight, *bias;
  float eps;
  float inverse_deviation(int64_t i) const { return 1.f / std::sqrt(variance[i] + eps); }
};

struct Running {
  float *mean, *variance;
  const float* left_out;  // added to means; may be null
  float momentum, correction;
};

// One thread's doubles each; added in the order of the threads, so that the result is always the same.
struct Sums {
  explicit Sums(int64_t size) : size(size), totals(size * omp_get_max_threads(), 0.0) {}
  int64_t size;
  std::vector<double> totals;
  double* mine() { return totals.data() + omp_get_thread_num() * size; }
  void merge_into(double* out) const {
    for (int64_t i = 0; i < size; ++i) out[i] = 0.0;
    for (size_t i = 0; i < totals.size(); ++i) out[i % size] += totals[i];
  }
};

// dx = slope * gradient + slant * (x - mean) + level, with one of each (G, C).
struct Coefficients {
  std::vector<float> slope, slant, level;

  // `sums` (2, G, C) are those of all ranks over `count` rows; without rows the statistics do not depend on x.
  Coefficients(const Norm& n, const double* sums, int64_t count, int64_t all, int64_t channels)
      : slope(all), slant(all, 0.f), level(all, 0.f) {
    for (int64_t i = 0; i < all; ++i) {
      const double inverse = n.inverse_deviation(i), exact = inverse * n.weight[i % channels];
      slope[i] = static_cast<float>(exact);
      if (count == 0) continue;
      slant[i] = static_cast<float>(-exact * inverse * inverse * (sums[all + i] / count));
      level[i] = static_cast<float>(-exact * (sums[i] / count));
    }
  }
};

inline int64_t row_id(const Shape& s, const Dropout& d, int64_t node, int64_t group, int64_t row) {
  return ((d.first_row + row) * s.groups + group) * s.nodes + node;
}

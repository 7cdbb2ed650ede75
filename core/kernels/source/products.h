// Products of small matrices of floats, for layers so narrow that a library's call costs more than its product.
// Vectors are the compiler's, as wide as the processor has them, so that the code is the same for every processor.
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
constexpr int64_t LANES = 16, BLOCK_ROWS = 8;
#elif defined(__AVX__)
constexpr int64_t LANES = 8, BLOCK_ROWS = 4;
#else
constexpr int64_t LANES = 4, BLOCK_ROWS = 8;
#endif

typedef float Vector __attribute__((vector_size(LANES * sizeof(float))));

static inline Vector load_vector(const float* p) {
  Vector v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

static inline void store_vector(float* p, Vector v) { std::memcpy(p, &v, sizeof v); }

// Element (i, k) of the left matrix is at data[i * row + k * depth], so that a transposed matrix needs no copy.
struct Left {
  const float* data;
  int64_t row, depth;
};

// out = left (ROWS, depth) times right (depth, VECTORS * LANES), or += with ADD.
template <bool ADD, int64_t ROWS, int64_t VECTORS>
static inline void multiply_block(Left left, const float* right, int64_t right_stride, int64_t depth, float* out, int64_t out_stride) {
  Vector sum[ROWS][VECTORS];
#pragma GCC unroll 8
  for (int64_t i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
    for (int64_t v = 0; v < VECTORS; ++v) sum[i][v] = ADD ? load_vector(out + i * out_stride + v * LANES) : Vector{};
  for (int64_t k = 0; k < depth; ++k) {
    Vector weight[VECTORS];
#pragma GCC unroll 2
    for (int64_t v = 0; v < VECTORS; ++v) weight[v] = load_vector(right + k * right_stride + v * LANES);
#pragma GCC unroll 8
    for (int64_t i = 0; i < ROWS; ++i) {
      const float value = left.data[i * left.row + k * left.depth];
#pragma GCC unroll 2
      for (int64_t v = 0; v < VECTORS; ++v) sum[i][v] += value * weight[v];
    }
  }
#pragma GCC unroll 8
  for (int64_t i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
    for (int64_t v = 0; v < VECTORS; ++v) store_vector(out + i * out_stride + v * LANES, sum[i][v]);
}

template <bool ADD, int64_t VECTORS>
static inline void multiply_columns(Left left, const float* right, int64_t right_stride, int64_t rows, int64_t depth, float* out,
                               int64_t out_stride) {
  int64_t i = 0;
  for (; i + BLOCK_ROWS <= rows; i += BLOCK_ROWS)
    multiply_block<ADD, BLOCK_ROWS, VECTORS>({left.data + i * left.row, left.row, left.depth}, right, right_stride, depth,
                                   out + i * out_stride, out_stride);
  for (; i < rows; ++i)
    multiply_block<ADD, 1, VECTORS>({left.data + i * left.row, left.row, left.depth}, right, right_stride, depth,
                          out + i * out_stride, out_stride);
}

// out (rows, columns) = left (rows, depth) right (depth, columns), or += with ADD; columns is a multiple of LANES.
template <bool ADD>
static inline void multiply(Left left, const float* right, int64_t right_stride, int64_t rows, int64_t columns, int64_t depth,
                               float* out, int64_t out_stride) {
  int64_t j = 0;
  for (; j + 2 * LANES <= columns; j += 2 * LANES)
    multiply_columns<ADD, 2>(left, right + j, right_stride, rows, depth, out + j, out_stride);
  if (j < columns) multiply_columns<ADD, 1>(left, right + j, right_stride, rows, depth, out + j, out_stride);
}

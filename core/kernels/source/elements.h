// Numbers in memory (float or bfloat16) and in registers (always float), and the dropout hash.
#pragma once
#include <cstdint>
#include <cstring>

struct bfloat16 {
  uint16_t bits;
};

static inline float load(const float* p) { return *p; }

static inline float load(const bfloat16* p) {
  uint32_t wide = static_cast<uint32_t>(p->bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

static inline void store(float* p, float value) { *p = value; }

// Rounds to nearest even; NaN stays NaN.
static inline void store(bfloat16* p, float value) {
  uint32_t wide;
  std::memcpy(&wide, &value, sizeof wide);
  const uint32_t rounded = (wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16;
  p->bits = static_cast<uint16_t>(value != value ? 0x7fc0u : rounded);
}

// Where rows of x (V, G, R, C) stand among all that a step's global batch has: see core/kernels/dropout.py.
struct Dropout {
  int64_t seed;
  int64_t first_row;
  int32_t threshold;  // a signed 16-bit lane below it drops its element; -32768 drops none
  float scale;        // of what is kept
};

// Sixteen bits of a drawn word; may_alias, because words are written whole.
typedef int16_t __attribute__((may_alias)) Lane;

// The end of splitmix64.
static inline uint64_t mixed(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// Four 16-bit lanes an entry; lanes has room for (num_channels + 3) / 4 entries.
static inline void draw_lanes(int64_t* lanes, int64_t row, int64_t num_channels, int64_t seed) {
  const int64_t per_row = (num_channels + 3) / 4;
  const uint64_t step = 0x9e3779b97f4a7c15ull;
  const uint64_t start = static_cast<uint64_t>(row) * static_cast<uint64_t>(per_row);
#pragma omp simd
  for (int64_t i = 0; i < per_row; ++i)
    lanes[i] = static_cast<int64_t>(mixed(((start + static_cast<uint64_t>(i)) ^ static_cast<uint64_t>(seed)) * step));
}

constexpr int64_t MAX_CHANNELS = 8192;

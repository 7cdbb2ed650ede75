// A narrow float layer and the statistics of its batch norm: sums over neighbours, products and, backward, the gradient of
// the norm stay in cache, a tile of rows at a time. x (V, G, R, C), z (V, G, R, D), weights (K, D, C), biases (K, D). A 1x1
// convolution is the case of one slot a node. See core/kernels/narrow_layer.py.
#include <algorithm>

#include "norm.h"
#include "products.h"

namespace {

constexpr int64_t TILE = 32;

struct Slots {
  int64_t num_nodes, num_slots;
  const int64_t* first;       // (num_nodes + 1,): the slots of a node
  const int64_t* partitions;  // (num_slots,): the weights that a slot is multiplied by
  const int64_t* starts;      // (num_slots + 1,): the links that a slot sums
  const int64_t* nodes;       // node read by a link
  const float* factors;       // its factor
  int64_t alone;              // whether each node reads itself only, with factor 1
};

// Consecutive rows of one group: of all nodes or, if each is alone, of one node, so that memory is read in its order.
struct Tile {
  int64_t group, first, rows, from, to;

  static int64_t count(const Shape& s, const Slots& slots) {
    return (slots.alone ? s.nodes : 1) * s.groups * ((s.rows + TILE - 1) / TILE);
  }
  static Tile of(const Shape& s, const Slots& slots, int64_t index) {
    const int64_t per = (s.rows + TILE - 1) / TILE, first = index % per * TILE, outer = index / per, node = outer / s.groups;
    return {outer % s.groups, first, std::min(TILE, s.rows - first), slots.alone ? node : 0, slots.alone ? node + 1 : s.nodes};
  }
  // Where a node's rows begin in a tensor of so many channels.
  int64_t at(const Shape& s, int64_t node, int64_t channels) const {
    return ((node * s.groups + group) * s.rows + first) * channels;
  }
};

// target += factor * source.
inline void add_scaled(float factor, const float* source, int64_t size, float* target) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) target[i] += factor * source[i];
}

// The input of a tile: where it is or, if nodes are linked, copied side by side. Nodes are often a power of two apart, and
// would displace each other from the cache.
struct Input {
  Input(const Shape& s, const Slots& slots, int64_t in)
      : shape(s), slots(slots), in(in), copy(slots.alone ? 0 : s.nodes * TILE * in), buffer(slots.alone ? 0 : TILE * in) {}

  void read(const float* x, const Tile& t) {
    tile = t;
    source = x;
    if (slots.alone) return;
    for (int64_t v = 0; v < shape.nodes; ++v)
      std::memcpy(copy.data() + v * TILE * in, x + t.at(shape, v, in), t.rows * in * sizeof(float));
  }

  // The weighted sum over a slot's neighbours.
  const float* sum(int64_t node, int64_t slot) {
    if (slots.alone) return source + tile.at(shape, node, in);
    const int64_t from = slots.starts[slot], to = slots.starts[slot + 1], size = tile.rows * in;
    const float* first = copy.data() + slots.nodes[from] * TILE * in;
    const float factor = slots.factors[from];
    float* out = buffer.data();
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) out[i] = factor * first[i];
    for (int64_t link = from + 1; link < to; ++link) {
      add_scaled(slots.factors[link], copy.data() + slots.nodes[link] * TILE * in, size, out);
    }
    return out;
  }

  const Shape& shape;
  const Slots& slots;
  int64_t in;
  std::vector<float> copy, buffer;
  const float* source = nullptr;
  Tile tile{};
};

// Adds the rows' sum, and that of their squares, in double. Squares are of differences from the rows' mean, for accuracy.
template <int64_t D>
void add_moments(const float* z, const float* offsets, int64_t rows, double* plain, double* squares) {
  float mean[D] = {}, spread[D] = {};
  for (int64_t r = 0; r < rows; ++r)
#pragma omp simd
    for (int64_t c = 0; c < D; ++c) mean[c] += z[r * D + c];
  for (int64_t c = 0; c < D; ++c) mean[c] /= static_cast<float>(rows);
  for (int64_t r = 0; r < rows; ++r)
#pragma omp simd
    for (int64_t c = 0; c < D; ++c) spread[c] += (z[r * D + c] - mean[c]) * (z[r * D + c] - mean[c]);
  for (int64_t c = 0; c < D; ++c) {
    const double centre = static_cast<double>(mean[c]) + offsets[c];
    plain[c] += static_cast<double>(rows) * centre;
    squares[c] += spread[c] + static_cast<double>(rows) * centre * centre;
  }
}

// Calls `each` with every slot's node, partition and sum of factors.
template <typename Each>
void for_slots(const Slots& s, Each each) {
  for (int64_t w = 0; w < s.num_nodes; ++w)
    for (int64_t slot = s.first[w]; slot < s.first[w + 1]; ++slot) {
      float factor = 0.f;
      for (int64_t link = s.starts[slot]; link < s.starts[slot + 1]; ++link) factor += s.factors[link];
      each(w, s.partitions[slot], factor);
    }
}

// (K, D, C) to (K, C, D), or back.
void transpose(const float* from, int64_t count, int64_t rows, int64_t columns, float* to) {
  for (int64_t k = 0; k < count; ++k)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) to[(k * columns + c) * rows + r] = from[(k * rows + r) * columns + c];
}

// offsets (V, D): each node's biases. `moments` (2, G, D): mean and biased variance of z + offsets.
template <int64_t D>
void products(const float* x, const float* maps, const float* biases, float* z, float* offsets, double* moments, int64_t in,
              int64_t num_partitions, const Slots& slots, const Shape& s) {
  const int64_t all = s.groups * D;
  std::vector<float> weights(num_partitions * in * D);
  transpose(maps, num_partitions, D, in, weights.data());
  std::fill_n(offsets, s.nodes * D, 0.f);
  for_slots(slots, [&](int64_t w, int64_t k, float factor) { add_scaled(factor, biases + k * D, D, offsets + w * D); });
  Sums sums(2 * all);
#pragma omp parallel
  {
    Input input(s, slots, in);
#pragma omp for schedule(static)
    for (int64_t index = 0; index < Tile::count(s, slots); ++index) {
      const Tile tile = Tile::of(s, slots, index);
      input.read(x, tile);
      for (int64_t w = tile.from; w < tile.to; ++w) {
        float* out = z + tile.at(s, w, D);
        for (int64_t slot = slots.first[w]; slot < slots.first[w + 1]; ++slot) {
          const Left sum{input.sum(w, slot), in, 1};
          const float* right = weights.data() + slots.partitions[slot] * in * D;
          if (slot == slots.first[w])
            multiply<false>(sum, right, D, tile.rows, D, in, out, D);
          else
            multiply<true>(sum, right, D, tile.rows, D, in, out, D);
        }
        double* plain = sums.mine() + tile.group * D;
        add_moments<D>(out, offsets + w * D, tile.rows, plain, plain + all);
      }
    }
  }
  sums.merge_into(moments);
  const double count = static_cast<double>(s.nodes * s.rows);
  for (int64_t i = 0; i < all; ++i) {
    moments[i] /= count;
    moments[all + i] = std::max(moments[all + i] / count - moments[i] * moments[i], 0.0);
  }
}

struct Gradient {
  const float *dy, *y, *z;
  float* dresidual;
  bool relu;
};

// The gradient of a node's tile of z, and of its residual.
template <int64_t D, bool RELU>
void norm_gradient(const Gradient& g, const Norm& n, const Coefficients& of, const Shape& s, const Dropout& d, const Tile& tile,
                   int64_t node, float* dz) {
  const int64_t start = tile.at(s, node, D), at = tile.group * D;
  const bool drop = d.threshold > -32768, carries = g.dresidual != nullptr;
  alignas(64) int64_t lanes[D / 4];
  const Lane* lane = reinterpret_cast<const Lane*>(lanes);
  float slope[D], slant[D], level[D];
  for (int64_t c = 0; c < D; ++c) {
    slope[c] = of.slope[at + c];
    slant[c] = of.slant[at + c];
    level[c] = of.level[at + c] + slant[c] * (n.offsets[node * D + c] - n.mean[at + c]);
  }
  for (int64_t r = 0; r < tile.rows; ++r) {
    const int64_t row = start + r * D;
    float through[D];
#pragma omp simd
    for (int64_t c = 0; c < D; ++c) {
      const float value = g.dy[row + c];
      through[c] = RELU ? (g.y[row + c] > 0.f ? value : 0.f) : value;
    }
    if (carries) std::memcpy(g.dresidual + row, through, sizeof through);
    if (drop) {
      draw_lanes(lanes, row_id(s, d, node, tile.group, tile.first + r), D, d.seed);
#pragma omp simd
      for (int64_t c = 0; c < D; ++c) through[c] = lane[c] < d.threshold ? 0.f : through[c] * d.scale;
    }
#pragma omp simd
    for (int64_t c = 0; c < D; ++c) dz[r * D + c] = slope[c] * through[c] + slant[c] * g.z[row + c] + level[c];
  }
}

struct Products {
  Products(const float* x, const float* maps, int64_t in, int64_t num_partitions, int64_t out)
      : x(x), in(in), padded((in + LANES - 1) / LANES * LANES), num_partitions(num_partitions), maps(num_partitions * out * padded, 0.f) {
    for (int64_t r = 0; r < num_partitions * out; ++r) std::copy_n(maps + r * in, in, this->maps.data() + r * padded);
  }
  const float* x;
  int64_t in, padded, num_partitions;
  std::vector<float> maps;  // (K, D, padded): the weights, with zeros up to a multiple of the lanes
};

// The gradient of a tile's input: side by side, as in `Input`, or where it belongs.
struct InputGradient {
  InputGradient(const Shape& s, const Slots& slots, const Products& p, float* dx)
      : shape(s), slots(slots), p(p), dx(dx), copy(slots.alone ? 0 : s.nodes * TILE * p.in), product(TILE * p.padded) {}

  void begin() { std::fill(copy.begin(), copy.end(), 0.f); }

  // Adds the part of a slot, whose gradient is dz (rows, D), to its neighbours.
  template <int64_t D>
  void add(const float* dz, const Tile& tile, int64_t node, int64_t slot) {
    const float* right = p.maps.data() + slots.partitions[slot] * D * p.padded;
    if (slots.alone && p.in == p.padded) {
      multiply<false>({dz, D, 1}, right, p.padded, tile.rows, p.padded, D, dx + tile.at(shape, node, p.in), p.in);
      return;
    }
    multiply<false>({dz, D, 1}, right, p.padded, tile.rows, p.padded, D, product.data(), p.padded);
    if (slots.alone) {
      for (int64_t r = 0; r < tile.rows; ++r)
        std::memcpy(dx + tile.at(shape, node, p.in) + r * p.in, product.data() + r * p.padded, p.in * sizeof(float));
      return;
    }
    const int64_t num_runs = p.in == p.padded ? 1 : tile.rows, run = p.in == p.padded ? tile.rows * p.in : p.in;
    const float* source = product.data();
    for (int64_t link = slots.starts[slot]; link < slots.starts[slot + 1]; ++link) {
      float* target = copy.data() + slots.nodes[link] * TILE * p.in;
      const float f = slots.factors[link];
      for (int64_t r = 0; r < num_runs; ++r) add_scaled(f, source + r * p.padded, run, target + r * p.in);
    }
  }

  void end(const Tile& tile) {
    if (slots.alone) return;
    for (int64_t v = 0; v < shape.nodes; ++v)
      std::memcpy(dx + tile.at(shape, v, p.in), copy.data() + v * TILE * p.in, tile.rows * p.in * sizeof(float));
  }

  const Shape& shape;
  const Slots& slots;
  const Products& p;
  float* dx;
  std::vector<float> copy, product;
};

// dx may be null. dmaps (K, D, C). dbiases (K, D) are zero if all nodes are alone, because the norm subtracts their bias.
template <int64_t D>
void backward(const Gradient& g, const Norm& n, const double* norm_sums, int64_t count, const Products& p, float* dx,
              float* dmaps, float* dbiases, const Slots& slots, const Shape& s, const Dropout& d) {
  const Coefficients of(n, norm_sums, count, s.groups * D, D);
  const int64_t num_weights = p.num_partitions * p.in * D, size = num_weights + s.nodes * D;
  std::vector<float> sums(size * omp_get_max_threads(), 0.f);  // a thread's own, added in their order
#pragma omp parallel
  {
    float* mine = sums.data() + size * omp_get_thread_num();
    Input input(s, slots, p.in);
    InputGradient gradient(s, slots, p, dx);
    alignas(64) float dz[TILE * D];
#pragma omp for schedule(static)
    for (int64_t index = 0; index < Tile::count(s, slots); ++index) {
      const Tile tile = Tile::of(s, slots, index);
      input.read(p.x, tile);
      gradient.begin();
      for (int64_t w = tile.from; w < tile.to; ++w) {
        (g.relu ? norm_gradient<D, true> : norm_gradient<D, false>)(g, n, of, s, d, tile, w, dz);
        float* offset = mine + num_weights + w * D;
        for (int64_t r = 0; r < tile.rows; ++r)
#pragma omp simd
          for (int64_t c = 0; c < D; ++c) offset[c] += dz[r * D + c];
        for (int64_t slot = slots.first[w]; slot < slots.first[w + 1]; ++slot) {
          multiply<true>({input.sum(w, slot), 1, p.in}, dz, D, p.in, D, tile.rows, mine + slots.partitions[slot] * p.in * D, D);
          if (dx != nullptr) gradient.add<D>(dz, tile, w, slot);
        }
      }
      if (dx != nullptr) gradient.end(tile);
    }
  }
  for (int64_t i = size; i < static_cast<int64_t>(sums.size()); ++i) sums[i % size] += sums[i];
  transpose(sums.data(), p.num_partitions, p.in, D, dmaps);
  std::fill_n(dbiases, p.num_partitions * D, 0.f);
  if (slots.alone) return;
  const float* doffsets = sums.data() + num_weights;
  for_slots(slots, [&](int64_t w, int64_t k, float factor) { add_scaled(factor, doffsets + w * D, D, dbiases + k * D); });
}

}  // namespace

#define FOR_WIDTH(CALL)    \
  switch (shape.channels) { \
    case 16: return CALL(16); \
    case 32: return CALL(32); \
    case 48: return CALL(48); \
    case 64: return CALL(64); \
  }

extern "C" void narrow_layer_products_float32(const float* x, const float* maps, const float* biases, float* z, float* offsets,
                                              double* moments, int64_t in, int64_t num_partitions, Slots slots, Shape shape) {
#define CALL(D) products<D>(x, maps, biases, z, offsets, moments, in, num_partitions, slots, shape)
  FOR_WIDTH(CALL)
#undef CALL
}

extern "C" void narrow_layer_backward_float32(const float* dy, const float* y, const float* z, Norm norm, const double* sums,
                                              int64_t count, const float* x, const float* maps, int64_t in,
                                              int64_t num_partitions, float* dx, float* dresidual, float* dmaps,
                                              float* dbiases, Slots slots, Shape shape, Dropout dropout, int64_t relu) {
  const Gradient gradient{dy, y, z, dresidual, relu != 0};
  const Products products(x, maps, in, num_partitions, shape.channels);
#define CALL(D) backward<D>(gradient, norm, sums, count, products, dx, dmaps, dbiases, slots, shape, dropout)
  FOR_WIDTH(CALL)
#undef CALL
}

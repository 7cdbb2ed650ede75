// Views of clips: crop, resize, exchange of joints and one affine map a joint, each frame read once and written
// once. See core/augment/views.py.
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

constexpr int64_t JOINTS = 49, ROW = 2 * JOINTS;


// Where output frame `frame` lies between two of the crop's frames: half-pixel centres, edges clamped.
struct Place {
  int64_t before, after;
  float share;
  Place(int64_t frame, int64_t length, int64_t num_frames) {
    const double ratio = static_cast<double>(length) / static_cast<double>(num_frames);
    double place = (static_cast<double>(frame) + 0.5) * ratio - 0.5;
    place = std::min(std::max(place, 0.0), static_cast<double>(length - 1));
    before = static_cast<int64_t>(place);
    after = std::min(before + 1, length - 1);
    share = static_cast<float>(place - static_cast<double>(before));
  }
};

void map_row(const float* row, const float* straight, const float* crossed, const float* shift, float* out) {
#pragma omp simd
  for (int64_t joint = 0; joint < JOINTS; ++joint) {
    const float x = row[2 * joint], y = row[2 * joint + 1];
    const float there = x != 0.f || y != 0.f ? 1.f : 0.f;  // a missing point, at (0, 0), stays there
    out[2 * joint] = straight[2 * joint] * x + crossed[2 * joint] * y + shift[2 * joint] * there;
    out[2 * joint + 1] = straight[2 * joint + 1] * y + crossed[2 * joint + 1] * x + shift[2 * joint + 1] * there;
  }
}

}  // namespace

// points (F, 49, 2), hand_visible (F, 2); clip b shows rows first[b], first[b] + 1, ... lengths[b] of them.
// source[v]: the joint that takes v's place where exchanged[b]. Maps are (B, 49, 2), shift may be null.
extern "C" void views_float32(const float* points, const uint8_t* hand_visible, const int64_t* first,
                              const int64_t* lengths, const uint8_t* exchanged, const int64_t* source,
                              const float* straight, const float* crossed, const float* shift, float* out,
                              uint8_t* out_visible, int64_t num_clips, int64_t num_frames) {
  static const float nothing[ROW] = {};
#pragma omp parallel for schedule(static)
  for (int64_t clip = 0; clip < num_clips; ++clip) {
    const float *s = straight + clip * ROW, *c = crossed + clip * ROW;
    const float* m = shift == nullptr ? nothing : shift + clip * ROW;
    for (int64_t frame = 0; frame < num_frames; ++frame) {
      const Place place(frame, lengths[clip], num_frames);
      const float *before = points + (first[clip] + place.before) * ROW, *after = points + (first[clip] + place.after) * ROW;
      float mixed[ROW], moved[ROW];
      const float rest = 1.f - place.share;
#pragma omp simd
      for (int64_t i = 0; i < ROW; ++i) mixed[i] = rest * before[i] + place.share * after[i];
      const int64_t at = clip * num_frames + frame;
      const uint8_t* seen = hand_visible + 2 * (first[clip] + frame * lengths[clip] / num_frames);
      const int64_t right = exchanged[clip] ? 1 : 0;
      out_visible[2 * at] = seen[right];
      out_visible[2 * at + 1] = seen[1 - right];
      if (!exchanged[clip]) {
        map_row(mixed, s, c, m, out + at * ROW);
        continue;
      }
      for (int64_t joint = 0; joint < JOINTS; ++joint) {
        moved[2 * joint] = mixed[2 * source[joint]];
        moved[2 * joint + 1] = mixed[2 * source[joint] + 1];
      }
      map_row(moved, s, c, m, out + at * ROW);
    }
  }
}

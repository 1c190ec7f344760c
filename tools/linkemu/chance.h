// The random processes of a link. Each purpose owns its own generator, so that switching one impairment on does not
// change the random decisions of another: with the same seed, the same frames are lost.
#pragma once

#include <cstdint>
#include <string_view>

namespace linkemu {

// splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  // Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  // True with this probability; 0 and 1 are exact.
  bool chance(double probability) { return uniform() < probability; }

 private:
  uint64_t state_;
};

// One seed per named direction (FNV-1a of the name), so that it does not depend on the order in which links are added.
inline uint64_t seed_for(uint64_t seed, std::string_view name, uint64_t salt) {
  uint64_t hash = 0xcbf29ce484222325ULL ^ seed;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return Rng(hash + salt).next();
}

// Gilbert-Elliott: a two-state Markov chain that takes one step per frame. Parameters as netem's `loss gemodel`
// (Hasslinger, Hohlfeld 2008): p = P(good -> bad), r = P(bad -> good), and the loss in each state (their 1-k and 1-h).
// A frame is judged in the state it finds. With loss_bad = 1 and loss_good = 0 the mean burst is 1/r frames and the
// fraction lost is p/(p+r).
class GilbertElliott {
 public:
  explicit GilbertElliott(uint64_t seed) : rng_(seed) {}

  void restart() { bad_ = false; }

  bool loses(double p, double r, double loss_good, double loss_bad) {
    const bool lost = rng_.chance(bad_ ? loss_bad : loss_good);
    if (rng_.chance(bad_ ? r : p)) bad_ = !bad_;
    return lost;
  }

 private:
  Rng rng_;
  bool bad_ = false;
};

// Jitter as a wandering extra delay in [0, width]: points drawn uniformly every `width` of time, joined by straight
// lines. The lines fall no faster than time runs, so a later frame never overtakes an earlier one, and the spread does
// not depend on how dense the frames are. (Independent draws per frame with the order restored afterwards would
// collapse to a constant `width` at high frame rates.) Frames that are more than 2*width apart get independent draws.
class Jitter {
 public:
  explicit Jitter(uint64_t seed) : rng_(seed) {}

  // Contract: `at_ns` does not go backwards.
  int64_t extra_ns(int64_t at_ns, int64_t width_ns) {
    if (width_ns <= 0) return 0;
    if (width_ns != width_ns_ || at_ns >= from_at_ns_ + 2 * width_ns) {
      width_ns_ = width_ns;
      from_at_ns_ = at_ns;
      from_ = rng_.uniform();
      to_ = rng_.uniform();
    } else if (at_ns >= from_at_ns_ + width_ns) {
      from_at_ns_ += width_ns;
      from_ = to_;
      to_ = rng_.uniform();
    }
    const double progress = static_cast<double>(at_ns - from_at_ns_) / static_cast<double>(width_ns);
    return static_cast<int64_t>((from_ + (to_ - from_) * progress) * static_cast<double>(width_ns));
  }

 private:
  Rng rng_;
  int64_t width_ns_ = 0;
  int64_t from_at_ns_ = 0;
  double from_ = 0;
  double to_ = 0;
};

}  // namespace linkemu

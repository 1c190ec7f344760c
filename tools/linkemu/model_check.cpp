// Checks of the link model in virtual time: exact where the model is exact, statistical where it is random.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "direction.h"

namespace {

using linkemu::Direction;
using linkemu::Drop;
using linkemu::Frame;
using linkemu::FramePool;
using linkemu::Params;

constexpr int64_t kUs = 1'000;
constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1'000'000'000;
constexpr uint32_t kFullFrameBytes = 1514;
constexpr uint64_t kSeed = 7;

int failures = 0;

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                               \
    }                                                                           \
  } while (false)

struct Departure {
  int64_t at_ns;
  uint16_t number;
};

// A direction fed with numbered frames; the number travels in a header field the model does not read.
struct Bench {
  FramePool pool{65536, 1};
  Direction direction{pool, kSeed};
  uint16_t next_number = 0;

  explicit Bench(const std::string& settings) { set(settings, 0); }

  void set(const std::string& settings, int64_t now_ns) {
    Params params = direction.params();
    std::vector<std::string_view> words;
    for (size_t at = 0; at < settings.size();) {
      const size_t end = std::min(settings.find(' ', at), settings.size());
      words.push_back(std::string_view(settings).substr(at, end - at));
      at = end + 1;
    }
    CHECK(linkemu::apply_settings(params, words).empty());
    direction.set_params(params, now_ns);
  }

  void arrive(int64_t at_ns, uint32_t size_bytes = kFullFrameBytes) {
    Frame* frame = pool.take_small();
    frame->size_bytes = size_bytes;
    *frame->vnet() = {};
    frame->vnet()->csum_offset = next_number++;
    direction.arrive(frame, at_ns);
  }

  // What has come out by `now_ns`, as a caller that first looks at that time gets it.
  std::vector<Departure> collect(int64_t now_ns) {
    std::vector<Departure> result;
    direction.advance(now_ns);
    while (Frame* frame = direction.take_due(now_ns)) {
      result.push_back({frame->due_ns, frame->vnet()->csum_offset});
      direction.sent(frame);
    }
    return result;
  }

  uint64_t dropped(Drop reason) const { return direction.counters().dropped[static_cast<size_t>(reason)]; }

  bool adds_up() const {
    uint64_t accounted =
        direction.counters().frames_out + direction.waiting().frames() + direction.in_flight_frames();
    for (const uint64_t count : direction.counters().dropped) accounted += count;
    return accounted == direction.counters().frames_in;
  }
};

void unlimited_link_adds_only_delay() {
  Bench bench("delay_us=1500");
  bench.arrive(10 * kMs);
  CHECK(bench.direction.next_event_ns() == 10 * kMs + 1500 * kUs);
  CHECK(bench.collect(10 * kMs + 1500 * kUs - 1).empty());
  CHECK(bench.collect(10 * kMs + 1500 * kUs).size() == 1);
  CHECK(bench.direction.next_event_ns() == linkemu::kNever);
}

void rate_does_not_depend_on_when_the_caller_runs() {
  // 60 bytes take 68.57 ns: rounding must not add up either.
  Bench bench("rate_bps=7000000000 queue_bytes=10000000");
  constexpr int kFrames = 50'000;
  for (int i = 0; i < kFrames; ++i) bench.arrive(kSecond, 60);
  const auto out = bench.collect(3 * kSecond);  // two seconds late
  CHECK(out.size() == kFrames);
  CHECK(std::abs(out.back().at_ns - kSecond - 60LL * 8 * kFrames / 7) <= 1);
}

void frames_read_late_keep_their_place() {
  Bench bench("rate_bps=1000000 queue_us=50000");
  bench.arrive(0, 1250);  // leaves at 10 ms
  CHECK(bench.collect(15 * kMs).size() == 1);
  bench.arrive(5 * kMs, 1250);  // was there at 5 ms, read after 15 ms
  CHECK(bench.collect(kSecond).back().at_ns == 20 * kMs);
}

void queue_bytes_bounds_what_waits() {
  Bench bench("rate_bps=12112000 queue_bytes=3028");  // 1 ms per frame, two may wait
  for (int i = 0; i < 5; ++i) bench.arrive(0);
  CHECK(bench.dropped(Drop::kQueue) == 2);
  CHECK(bench.direction.waiting_max_bytes() == 3028);
  const auto out = bench.collect(kSecond);
  CHECK(out.size() == 3 && out[0].at_ns == kMs && out[2].at_ns == 3 * kMs);
  CHECK(bench.adds_up());
}

void queue_us_bounds_the_wait() {
  Bench bench("rate_bps=12112000 queue_us=2000");
  for (int i = 0; i < 6; ++i) bench.arrive(0);
  CHECK(bench.dropped(Drop::kQueue) == 3);  // waits of 0 (transmitting), 1 and 2 ms are within 2 ms
  bench.set("queue_bytes=1514", 0);         // the tighter bound counts
  CHECK(bench.collect(kMs).size() == 1);
  bench.arrive(kMs);
  CHECK(bench.dropped(Drop::kQueue) == 4);
}

void rated_link_without_bounds_has_a_default_queue() {
  Bench slow("rate_bps=10000");  // a full frame lasts 1.2 s
  for (int i = 0; i < 20; ++i) slow.arrive(0);
  CHECK(slow.dropped(Drop::kQueue) == 9);  // one transmitting, ten waiting
  Bench fast("rate_bps=12112000");
  for (int i = 0; i < 200; ++i) fast.arrive(0);
  CHECK(fast.dropped(Drop::kQueue) == 99);  // waits of 0..100 ms
}

void rate_change_holds_for_frames_inside() {
  Bench bench("rate_bps=1000000 queue_bytes=100000");
  for (int i = 0; i < 3; ++i) bench.arrive(0, 1250);  // 10 ms each
  bench.set("rate_bps=10000000", 5 * kMs);            // half of the first is left: 0.5 ms
  const auto out = bench.collect(kSecond);
  CHECK(out.size() == 3);
  CHECK(out[0].at_ns == 5'500 * kUs && out[1].at_ns == 6'500 * kUs && out[2].at_ns == 7'500 * kUs);

  Bench opened("rate_bps=1000 queue_bytes=100000");
  for (int i = 0; i < 3; ++i) opened.arrive(0);
  opened.set("rate_bps=0", kMs);
  CHECK(opened.collect(kMs).size() == 3);
}

void jitter_spreads_but_keeps_order() {
  for (const int64_t spacing_ns : {10 * kUs, kMs, 30 * kMs}) {
    Bench bench("delay_us=5000 jitter_us=4000");
    constexpr int kFrames = 20'000;
    std::vector<Departure> out;
    for (int i = 0; i < kFrames; ++i) {
      bench.arrive(i * spacing_ns);
      for (const Departure& departure : bench.collect(i * spacing_ns)) out.push_back(departure);
    }
    for (const Departure& departure : bench.collect(kFrames * spacing_ns + kSecond)) out.push_back(departure);
    CHECK(out.size() == kFrames);
    double sum_ns = 0;
    double squares = 0;
    for (int i = 0; i < kFrames; ++i) {
      CHECK(out[i].number == i);
      CHECK(i == 0 || out[i].at_ns >= out[i - 1].at_ns);
      const double extra_ns = static_cast<double>(out[i].at_ns - i * spacing_ns - 5 * kMs);
      CHECK(extra_ns >= 0 && extra_ns <= 4 * kMs);
      sum_ns += extra_ns;
      squares += extra_ns * extra_ns;
    }
    const double mean_ns = sum_ns / kFrames;
    const double deviation_ns = std::sqrt(squares / kFrames - mean_ns * mean_ns);
    // The mean is width/2; the deviation 0.24 width where lines join the points, 0.29 for independent draws.
    CHECK(std::abs(mean_ns - 2 * kMs) < 0.4 * kMs);
    CHECK(deviation_ns > 0.75 * kMs && deviation_ns < 1.3 * kMs);
  }
}

void losses_follow_their_parameters() {
  constexpr int kFrames = 60'000;
  Bench random("loss=0.1");
  for (int i = 0; i < kFrames; ++i) {
    random.arrive(i * kUs);
    random.collect(i * kUs);
  }
  CHECK(std::abs(static_cast<double>(random.dropped(Drop::kLoss)) / kFrames - 0.1) < 0.006);

  Bench burst("ge_p=0.01 ge_r=0.25");
  int bursts = 0;
  uint64_t lost_before = 0;
  bool in_burst = false;
  for (int i = 0; i < kFrames; ++i) {
    burst.arrive(i * kUs);
    burst.collect(i * kUs);
    const bool lost = burst.dropped(Drop::kBurst) != lost_before;
    lost_before = burst.dropped(Drop::kBurst);
    if (lost && !in_burst) ++bursts;
    in_burst = lost;
  }
  const double lost = static_cast<double>(lost_before);
  CHECK(std::abs(lost / kFrames - 0.01 / 0.26) < 0.006);
  CHECK(std::abs(lost / bursts - 4) < 0.6);
}

void reordered_frames_come_later_by_the_given_time() {
  Bench bench("delay_us=1000 reorder=0.1 reorder_us=500");
  constexpr int kFrames = 10'000;
  for (int i = 0; i < kFrames; ++i) bench.arrive(i * 100 * kUs);
  const auto out = bench.collect(kFrames * kMs);
  int late = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    CHECK(i == 0 || out[i].at_ns >= out[i - 1].at_ns);
    const int64_t extra_ns = out[i].at_ns - out[i].number * 100 * kUs - kMs;
    CHECK(extra_ns == 0 || extra_ns == 500 * kUs);
    if (extra_ns != 0) ++late;
  }
  CHECK(out.size() == kFrames && std::abs(late - kFrames / 10) < 150);
}

void black_hole_swallows_everything_at_once() {
  Bench bench("rate_bps=1000000 delay_us=1000 queue_bytes=100000");
  for (int i = 0; i < 3; ++i) bench.arrive(0);
  bench.set("blackhole=1", 12'500 * kUs);  // one propagating, one transmitting, one waiting
  bench.arrive(13 * kMs);
  CHECK(bench.collect(kSecond).empty());
  CHECK(bench.dropped(Drop::kBlackhole) == 4);
  bench.set("blackhole=0", kSecond);
  bench.arrive(kSecond, 1250);
  CHECK(bench.collect(2 * kSecond).back().at_ns == kSecond + 11 * kMs);
  CHECK(bench.adds_up());
}

void settings_change_as_a_whole_or_not_at_all() {
  Params params;
  CHECK(linkemu::apply_settings(params, {"rate_bps=5000", "loss=0.5"}).empty());
  const std::vector<std::vector<std::string_view>> bad = {
      {"rate_bps=9000", "loss=1.1"}, {"rate_bps=9000", "nonsense=1"}, {"rate_bps=999"}, {"rate_bps=9000", "loss"},
      {"rate_bps=9000", "loss=nan"}, {"rate_bps=9000", "delay_us=1.5"}, {"rate_bps=9000", "delay_us=-1"},
      {"rate_bps=9000", "reorder=0.1"}, {"rate_bps=9000", "loss="}};
  for (const auto& words : bad) {
    CHECK(!linkemu::apply_settings(params, words).empty());
    CHECK(params.rate_bps == 5000 && params.loss == 0.5);
  }
}

void vlan_tag_goes_back_behind_the_addresses() {
  FramePool pool(1, 1);
  Frame* frame = pool.take_small();
  *frame->vnet() = {linkemu::kVnetNeedsChecksum, 0, 42, 0, 34, 16};
  const std::string untagged = "destinsource\x08" + std::string(1, '\0') + "payload";
  frame->size_bytes = static_cast<uint32_t>(untagged.copy(
      reinterpret_cast<char*>(frame->wire + linkemu::kVnetHeaderBytes), std::string::npos));
  linkemu::insert_vlan_tag(frame, 0x8100, 0xe007);
  const std::string tagged(reinterpret_cast<char*>(frame->wire + linkemu::kVnetHeaderBytes), frame->size_bytes);
  CHECK(tagged == untagged.substr(0, 12) + std::string("\x81\x00\xe0\x07", 4) + untagged.substr(12));
  CHECK(frame->vnet()->csum_start == 38 && frame->vnet()->hdr_len == 46 && frame->vnet()->csum_offset == 16);
}

}  // namespace

int main() {
  unlimited_link_adds_only_delay();
  rate_does_not_depend_on_when_the_caller_runs();
  frames_read_late_keep_their_place();
  queue_bytes_bounds_what_waits();
  queue_us_bounds_the_wait();
  rated_link_without_bounds_has_a_default_queue();
  rate_change_holds_for_frames_inside();
  jitter_spreads_but_keeps_order();
  losses_follow_their_parameters();
  reordered_frames_come_later_by_the_given_time();
  black_hole_swallows_everything_at_once();
  settings_change_as_a_whole_or_not_at_all();
  vlan_tag_goes_back_behind_the_addresses();
  if (failures == 0) std::puts("model check passed");
  return failures == 0 ? 0 : 1;
}

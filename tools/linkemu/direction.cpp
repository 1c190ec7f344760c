#include "direction.h"

#include <algorithm>

namespace linkemu {
namespace {

// size_bytes*8*kNsPerSecond stays within 63 bits up to 1.15 GB, four times the largest queue.
constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kNsPerUs = 1'000;

// The queue of a rated link that was given none: a tenth of a second, but never less than ten full frames, so that
// a link of some kbit/s, where one frame lasts longer than that, still has a queue.
constexpr int64_t kDefaultQueueNs = 100'000'000;
constexpr uint64_t kDefaultQueueMinBytes = 15'140;

}  // namespace

Direction::Direction(FramePool& pool, uint64_t seed)
    : pool_(pool),
      loss_rng_(seed_for(seed, "loss", 0)),
      reorder_rng_(seed_for(seed, "reorder", 0)),
      burst_(seed_for(seed, "burst", 0)),
      jitter_(seed_for(seed, "jitter", 0)) {}

Direction::~Direction() {
  drop_all(waiting_, Drop::kCarrier);
  drop_all(propagating_, Drop::kCarrier);
  drop_all(late_, Drop::kCarrier);
  if (transmitting_ != nullptr) pool_.give(transmitting_);
}

void Direction::arrive(Frame* frame, int64_t arrival_ns) {
  ++counters_.frames_in;
  counters_.bytes_in += frame->size_bytes;
  if (frame->vnet()->gso_type != kVnetNoGso) ++counters_.gso_frames;

  advance(arrival_ns);
  if (params_.blackhole != 0) {
    drop(frame, Drop::kBlackhole);
  } else if (params_.rate_bps == 0) {
    departure_ns_ = std::max(departure_ns_, arrival_ns);
    propagate(frame, departure_ns_);
  } else if (transmitting_ == nullptr) {
    start_transmission(frame, arrival_ns);
  } else if (admits(frame, arrival_ns)) {
    waiting_.push(frame);
    waiting_max_bytes_ = std::max(waiting_max_bytes_, waiting_.bytes());
  } else {
    drop(frame, Drop::kQueue);
  }
}

void Direction::advance(int64_t now_ns) {
  while (transmitting_ != nullptr && departure_ns_ <= now_ns) {
    Frame* departed = transmitting_;
    transmitting_ = nullptr;
    propagate(departed, departure_ns_);
    if (!waiting_.empty()) start_transmission(waiting_.pop(), departure_ns_);
  }
}

Frame* Direction::take_due(int64_t now_ns) {
  const int64_t on_time_ns = propagating_.empty() ? kNever : propagating_.head()->due_ns;
  const int64_t late_ns = late_.empty() ? kNever : late_.head()->due_ns;
  if (std::min(on_time_ns, late_ns) > now_ns) return nullptr;
  return (on_time_ns <= late_ns ? propagating_ : late_).pop();
}

int64_t Direction::next_event_ns() const {
  int64_t next_ns = kNever;
  // Nothing has to be done when a frame departs, only when it could come out; its draws are made late but dated right.
  if (transmitting_ != nullptr) next_ns = departure_ns_ + params_.delay_us * kNsPerUs;
  if (!propagating_.empty()) next_ns = std::min(next_ns, propagating_.head()->due_ns);
  if (!late_.empty()) next_ns = std::min(next_ns, late_.head()->due_ns);
  return next_ns;
}

void Direction::set_params(const Params& params, int64_t now_ns) {
  advance(now_ns);
  const int64_t old_rate_bps = params_.rate_bps;
  params_ = params;
  if (params.ge_p == 0) burst_.restart();

  if (params.rate_bps != old_rate_bps) {
    carry_ = 0;
    if (transmitting_ != nullptr) {
      // What is left of the frame goes on at the new rate.
      const double left_ns = static_cast<double>(departure_ns_ - now_ns);
      const double slowdown =
          params.rate_bps == 0 ? 0 : static_cast<double>(old_rate_bps) / static_cast<double>(params.rate_bps);
      departure_ns_ = now_ns + static_cast<int64_t>(left_ns * slowdown);
      advance(now_ns);
    }
  }
  if (params.blackhole != 0) {
    if (transmitting_ != nullptr) drop(transmitting_, Drop::kBlackhole);
    transmitting_ = nullptr;
    departure_ns_ = std::min(departure_ns_, now_ns);
    drop_all(waiting_, Drop::kBlackhole);
    drop_all(propagating_, Drop::kBlackhole);
    drop_all(late_, Drop::kBlackhole);
  }
}

void Direction::sent(Frame* frame) {
  ++counters_.frames_out;
  counters_.bytes_out += frame->size_bytes;
  pool_.give(frame);
}

void Direction::drop(Frame* frame, Drop reason) {
  ++counters_.dropped[static_cast<size_t>(reason)];
  pool_.give(frame);
}

void Direction::drop_on_arrival(uint32_t size_bytes, Drop reason) {
  ++counters_.frames_in;
  counters_.bytes_in += size_bytes;
  ++counters_.dropped[static_cast<size_t>(reason)];
}

// Both bounds are on what waits behind the frame being transmitted: queue_bytes on its bytes, queue_us on the time
// from arrival to the start of transmission.
bool Direction::admits(const Frame* frame, int64_t at_ns) const {
  const uint64_t bytes_after = waiting_.bytes() + frame->size_bytes;
  const int64_t wait_ns = departure_ns_ - at_ns + transmission_ns(waiting_.bytes());
  if (params_.queue_bytes == 0 && params_.queue_us == 0) {
    return wait_ns <= kDefaultQueueNs || bytes_after <= kDefaultQueueMinBytes;
  }
  if (params_.queue_bytes != 0 && bytes_after > static_cast<uint64_t>(params_.queue_bytes)) return false;
  return params_.queue_us == 0 || wait_ns <= params_.queue_us * kNsPerUs;
}

void Direction::start_transmission(Frame* frame, int64_t at_ns) {
  transmitting_ = frame;
  if (params_.rate_bps == 0) {
    departure_ns_ = std::max(at_ns, departure_ns_);
    return;
  }
  if (at_ns > departure_ns_) {
    departure_ns_ = at_ns;
    carry_ = 0;
  }
  // The remainder is carried from frame to frame: rounding each frame to whole ns would shift the rate of small frames
  // at some Gbit/s by percents.
  const int64_t bits_ns = static_cast<int64_t>(frame->size_bytes) * 8 * kNsPerSecond + carry_;
  departure_ns_ += bits_ns / params_.rate_bps;
  carry_ = bits_ns % params_.rate_bps;
}

// Losses are drawn behind the transmitter: a lost frame has used its share of the link, as on a radio link.
void Direction::propagate(Frame* frame, int64_t departure_ns) {
  if ((params_.ge_p > 0 || params_.ge_loss_good > 0) &&
      burst_.loses(params_.ge_p, params_.ge_r, params_.ge_loss_good, params_.ge_loss_bad)) {
    drop(frame, Drop::kBurst);
    return;
  }
  if (params_.loss > 0 && loss_rng_.chance(params_.loss)) {
    drop(frame, Drop::kLoss);
    return;
  }
  const int64_t due_ns = departure_ns + params_.delay_us * kNsPerUs +
                         jitter_.extra_ns(departure_ns, params_.jitter_us * kNsPerUs);
  if (params_.reorder > 0 && reorder_rng_.chance(params_.reorder)) {
    hold_until(late_, late_last_due_ns_, frame, due_ns + params_.reorder_us * kNsPerUs);
  } else {
    hold_until(propagating_, propagating_last_due_ns_, frame, due_ns);
  }
}

// Each line is first-in first-out by construction; the clamp keeps it so when delay or jitter is lowered while frames
// are under way.
void Direction::hold_until(FrameQueue& line, int64_t& line_last_due_ns, Frame* frame, int64_t due_ns) {
  line_last_due_ns = std::max(line_last_due_ns, due_ns);
  frame->due_ns = line_last_due_ns;
  line.push(frame);
}

void Direction::drop_all(FrameQueue& queue, Drop reason) {
  while (!queue.empty()) drop(queue.pop(), reason);
}

int64_t Direction::transmission_ns(uint64_t size_bytes) const {
  return static_cast<int64_t>(size_bytes) * 8 * kNsPerSecond / params_.rate_bps;
}

}  // namespace linkemu

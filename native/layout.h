// The memory that TypeScript and this addon share. src/core/batch/layout.ts states the same numbers and
// src/io/native.ts compares the two when the addon is loaded, so neither side ever guesses.
//
// The arena is one block of bytes. A piece is an (offset, length) pair into it.
//
// A plan is an array of int32 words: messages laid end to end, each a head of kPlanHead words and then its pieces.
//
//   word   0        1        2        3      4         5     6 .. 9    10 ...
//        +--------+--------+--------+------+---------+-----+---------+--------------------+
//        | status | pieces | socket | port | segment | tos | address | offset, length ... |
//        +--------+--------+--------+------+---------+-----+---------+--------------------+
//
// A receive record is kRecordWords int32 words:
//
//   word   0        1         2      3     4       5 .. 8    9 .. 12        13 .. 15
//        +--------+---------+------+-----+-------+---------+---------------+--------+
//        | length | segment | port | tos | ageUs | address | local address | unused |
//        +--------+---------+------+-----+-------+---------+---------------+--------+
//
// Addresses are sixteen bytes in network order, IPv4 as ::ffff:a.b.c.d.
#pragma once

#include <cstdint>

namespace mpip {

// Another number whenever a function is added or changed, so that an old addon is recognised.
constexpr int kFunctionsVersion = 3;

enum PlanWord : int {
  kPlanStatus = 0,   // in: 0; out: bytes that the kernel took, or a negative errno
  kPlanPieces = 1,
  // The rest is for UDP only.
  kPlanSocket = 2,   // the descriptor to send by
  kPlanPort = 3,     // host order
  kPlanSegment = 4,  // bytes of every datagram but the last; 0 = one datagram
  kPlanTos = 5,
  kPlanAddress = 6,
  kPlanHead = 10,
};

enum RecordWord : int {
  kRecordLength = 0,   // bytes, or -EMSGSIZE when the slot was too small
  kRecordSegment = 1,  // bytes of every datagram but the last; the length where there is one
  kRecordPort = 2,
  kRecordTos = 3,
  kRecordAgeUs = 4,  // from the kernel's receipt to this call; 0 where the kernel gave no time
  kRecordAddress = 5,
  kRecordLocal = 9,
  kRecordWords = 16,
};

// What a TUN read leaves: (offset, length) of each packet, the vnet header included.
constexpr int kTunRecordWords = 2;
constexpr int kVnetHeaderBytes = 10;
constexpr int kTunReadMaxBytes = 65535 + kVnetHeaderBytes;
// Packets read from the TUN device start at multiples of this, so that headers do not straddle cache lines.
constexpr int kTunAlignBytes = 64;
// How far apart packets lie that were read in one crossing, before their lengths were known.
constexpr int kTunSlotBytes = (kTunReadMaxBytes + kTunAlignBytes - 1) / kTunAlignBytes * kTunAlignBytes;

// Messages in one call to the kernel; longer plans are sent in several.
constexpr int kBatchMax = 64;
// Pieces of one message: the kernel's UIO_MAXIOV.
constexpr int kPiecesMax = 1024;
// Datagrams of one message: UDP_MAX_SEGMENTS of kernels before 6.9.
constexpr int kSegmentsMax = 64;
// Bytes of one message: the largest UDP payload over IPv4.
constexpr int kMessageMaxBytes = 65507;

}  // namespace mpip

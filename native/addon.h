// What every part of the addon uses: argument access without exceptions, and the registration hooks.
#pragma once

#include <node_api.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace mpip {

// A typed array's memory for the length of one call. `data` is null where the argument was something else.
struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;

  // Whether [offset, offset + size) lies inside.
  bool holds(int64_t offset, int64_t size) const {
    return offset >= 0 && size >= 0 && offset + size <= static_cast<int64_t>(length);
  }
};

struct Words {
  int32_t* data = nullptr;
  size_t length = 0;
};

// The arguments of one call, read by position. A missing or wrong argument reads as 0, no descriptor, an empty array or
// no string, which the callee answers with -EINVAL or -EBADF: a mistake must not throw on the data path.
class Ring;

class Args {
 public:
  static constexpr size_t kMax = 8;

  Args(napi_env env, napi_callback_info info);

  napi_env env() const { return env_; }
  // The environment's ring, where the function was registered with it and it is open and asked for; else null.
  Ring* ring(size_t at) const;
  int32_t integer(size_t at) const;
  // -1 where the argument is no number: 0 would be somebody's.
  int32_t descriptor(size_t at) const;
  Bytes bytes(size_t at) const;
  Words words(size_t at) const;
  napi_value value(size_t at) const { return values_[at]; }
  // False where the argument is no string, longer than `size - 1` bytes, or has a zero byte inside.
  bool text(size_t at, char* out, size_t size) const;

 private:
  napi_env env_;
  void* data_ = nullptr;
  napi_value values_[kMax];
};

napi_value integer(napi_env env, int32_t value);
// -errno of the call that just failed.
inline int32_t failure() { return -errno; }

// Adds `name` to `exports`; used by the register functions below.
bool addFunction(napi_env env, napi_value exports, const char* name, napi_callback callback, void* data = nullptr);

bool registerTun(napi_env env, napi_value exports, Ring* ring);
bool registerUdp(napi_env env, napi_value exports, Ring* ring);
bool registerPoll(napi_env env, napi_value exports);
bool registerNetlink(napi_env env, napi_value exports);

}  // namespace mpip

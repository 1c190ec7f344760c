// The function table of the addon, the arena, and what its parts share.
#include "addon.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <new>

#include "layout.h"
#include "ring.h"

namespace mpip {

Args::Args(napi_env env, napi_callback_info info) : env_(env) {
  size_t count = kMax;
  // Node fills what was not passed with undefined.
  napi_get_cb_info(env, info, &count, values_, nullptr, &data_);
}

Ring* Args::ring(size_t at) const {
  Ring* ring = static_cast<Ring*>(data_);
  return integer(at) != 0 && ring->isOpen() ? ring : nullptr;
}

int32_t Args::integer(size_t at) const {
  int32_t value = 0;
  napi_get_value_int32(env_, values_[at], &value);
  return value;
}

int32_t Args::descriptor(size_t at) const {
  int32_t value = -1;
  napi_get_value_int32(env_, values_[at], &value);
  return value;
}

Bytes Args::bytes(size_t at) const {
  Bytes result;
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env_, values_[at], &type, &length, &data, nullptr, nullptr) != napi_ok) return result;
  if (type != napi_uint8_array) return result;
  result.data = static_cast<uint8_t*>(data);
  result.length = length;
  return result;
}

Words Args::words(size_t at) const {
  Words result;
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env_, values_[at], &type, &length, &data, nullptr, nullptr) != napi_ok) return result;
  if (type != napi_int32_array) return result;
  result.data = static_cast<int32_t*>(data);
  result.length = length;
  return result;
}

bool Args::text(size_t at, char* out, size_t size) const {
  size_t length = 0;
  if (napi_get_value_string_utf8(env_, values_[at], nullptr, 0, &length) != napi_ok) return false;
  if (length + 1 > size) return false;
  if (napi_get_value_string_utf8(env_, values_[at], out, size, &length) != napi_ok) return false;
  // Whoever reads it as a C string must see all of it.
  return strlen(out) == length;
}

napi_value integer(napi_env env, int32_t value) {
  napi_value result = nullptr;
  napi_create_int32(env, value, &result);
  return result;
}

bool addFunction(napi_env env, napi_value exports, const char* name, napi_callback callback, void* data) {
  napi_value function;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function) == napi_ok &&
         napi_set_named_property(env, exports, name, function) == napi_ok;
}

namespace {

void releaseArena(napi_env, void* data, void* hint) { munmap(data, reinterpret_cast<size_t>(hint)); }

// arenaOpen(bytes): Uint8Array | -errno. Mapped apart from the JavaScript heap so that the kernel may back it with
// huge pages; unmapped when the array is collected.
napi_value arenaOpen(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const int64_t bytes = args.integer(0);
  if (bytes <= 0) return integer(env, -EINVAL);
  const size_t size = static_cast<size_t>(bytes);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return integer(env, failure());
  madvise(memory, size, MADV_HUGEPAGE);
  napi_value buffer;
  if (napi_create_external_arraybuffer(env, memory, size, releaseArena, reinterpret_cast<void*>(size), &buffer) !=
      napi_ok) {
    munmap(memory, size);
    return integer(env, -ENOMEM);
  }
  napi_value array;
  if (napi_create_typedarray(env, napi_uint8_array, size, buffer, 0, &array) != napi_ok) return integer(env, -ENOMEM);
  return array;
}

// closeDescriptor(fd): 0 | -errno.
napi_value closeDescriptor(napi_env env, napi_callback_info info) {
  return integer(env, close(Args(env, info).descriptor(0)) == 0 ? 0 : failure());
}

// ringOpen(): 0 | -errno. From then on the calls that are asked to move their batches through it.
napi_value ringOpen(napi_env env, napi_callback_info info) {
  void* ring = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &ring);
  return integer(env, static_cast<Ring*>(ring)->open());
}

struct Constant {
  const char* name;
  int32_t value;
};

constexpr Constant kLayout[] = {
    {"functionsVersion", kFunctionsVersion},
    {"planStatus", kPlanStatus},
    {"planPieces", kPlanPieces},
    {"planSocket", kPlanSocket},
    {"planPort", kPlanPort},
    {"planSegment", kPlanSegment},
    {"planTos", kPlanTos},
    {"planAddress", kPlanAddress},
    {"planHead", kPlanHead},
    {"recordLength", kRecordLength},
    {"recordSegment", kRecordSegment},
    {"recordPort", kRecordPort},
    {"recordTos", kRecordTos},
    {"recordAgeUs", kRecordAgeUs},
    {"recordAddress", kRecordAddress},
    {"recordLocal", kRecordLocal},
    {"recordWords", kRecordWords},
    {"tunRecordWords", kTunRecordWords},
    {"vnetHeaderBytes", kVnetHeaderBytes},
    {"tunReadMaxBytes", kTunReadMaxBytes},
    {"tunAlignBytes", kTunAlignBytes},
    {"tunSlotBytes", kTunSlotBytes},
    {"batchMax", kBatchMax},
    {"piecesMax", kPiecesMax},
    {"segmentsMax", kSegmentsMax},
    {"messageMaxBytes", kMessageMaxBytes},
};

bool addLayout(napi_env env, napi_value exports) {
  napi_value layout;
  if (napi_create_object(env, &layout) != napi_ok) return false;
  for (const Constant& constant : kLayout) {
    if (napi_set_named_property(env, layout, constant.name, integer(env, constant.value)) != napi_ok) return false;
  }
  return napi_set_named_property(env, exports, "layout", layout) == napi_ok;
}

}  // namespace
}  // namespace mpip

NAPI_MODULE_INIT() {
  using namespace mpip;
  Ring* ring = new (std::nothrow) Ring;
  const bool complete =
      ring != nullptr &&
      napi_add_env_cleanup_hook(env, [](void* data) { delete static_cast<Ring*>(data); }, ring) == napi_ok &&
      addLayout(env, exports) && addFunction(env, exports, "arenaOpen", arenaOpen) &&
      addFunction(env, exports, "closeDescriptor", closeDescriptor) &&
      addFunction(env, exports, "ringOpen", ringOpen, ring) && registerTun(env, exports, ring) &&
      registerUdp(env, exports, ring) && registerPoll(env, exports) && registerNetlink(env, exports);
  if (!complete) napi_throw_error(env, nullptr, "mpip: the native addon could not register its functions");
  return exports;
}

// An addon with one mistake in each function, to show that the sanitizers' tests would see it.
#include <node_api.h>

#include <cstdlib>

namespace {

void* volatile forgotten;
volatile int largest = 2147483647;

napi_value leak(napi_env, napi_callback_info) {
  forgotten = malloc(123);
  forgotten = nullptr;
  return nullptr;
}

napi_value overrun(napi_env, napi_callback_info) {
  volatile char* bytes = static_cast<char*>(malloc(10));
  largest = bytes[10];
  free(const_cast<char*>(bytes));
  return nullptr;
}

napi_value overflow(napi_env, napi_callback_info) {
  largest = largest + 1;
  return nullptr;
}

void add(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace

NAPI_MODULE_INIT() {
  add(env, exports, "leak", leak);
  add(env, exports, "overrun", overrun);
  add(env, exports, "overflow", overflow);
  return exports;
}

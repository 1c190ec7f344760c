// Readiness: one JavaScript call for each ready descriptor and turn of the event loop. The loop polls by level, so
// what a callback leaves unread brings it back in the next turn, after timers and other handles had theirs.
#include <sys/socket.h>
#include <uv.h>

#include <new>
#include <unordered_map>

#include "addon.h"

namespace mpip {
namespace {

struct Polls;

struct Poll {
  uv_poll_t handle;
  Polls* owner;
  napi_ref callback;
};

// One for each environment (main thread or worker). libuv closes a handle in a later turn of the loop, so the
// environment's end waits, through `ending`, until the last one has closed.
struct Polls {
  napi_env env = nullptr;
  // Counts the turns of the loop, so that a callback can tell whether another one was called in the same.
  uv_prepare_t counter;
  int32_t turn = 0;
  napi_async_context context = nullptr;
  napi_async_cleanup_hook_handle ending = nullptr;
  bool ended = false;
  // Handles that have not closed yet, the counter among them.
  int open = 0;
  std::unordered_map<int, Poll*> byDescriptor;
};

void finish(Polls* polls) {
  napi_remove_async_cleanup_hook(polls->ending);
  delete polls;
}

void onReady(uv_poll_t* handle, int, int) {
  const Poll* poll = static_cast<Poll*>(handle->data);
  const napi_env env = poll->owner->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value callback;
  napi_value receiver;
  napi_value turn;
  napi_value result;
  if (napi_get_reference_value(env, poll->callback, &callback) == napi_ok &&
      napi_get_global(env, &receiver) == napi_ok &&
      napi_create_int32(env, poll->owner->turn, &turn) == napi_ok &&
      napi_make_callback(env, poll->owner->context, receiver, callback, 1, &turn, &result) ==
          napi_pending_exception) {
    napi_value error;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

void noteClosed(Polls* polls) {
  if (--polls->open == 0 && polls->ended) finish(polls);
}

void stop(Poll* poll) {
  napi_delete_reference(poll->owner->env, poll->callback);
  uv_poll_stop(&poll->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle), [](uv_handle_t* handle) {
    Poll* closed = static_cast<Poll*>(handle->data);
    Polls* polls = closed->owner;
    delete closed;
    noteClosed(polls);
  });
}

Polls* pollsOf(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return static_cast<Polls*>(data);
}

// libuv takes an error of a descriptor for its end and polls it no more, unless the error is a "prioritized" event. A
// TUN device that was deleted ends so; a socket whose error queue has something to read marks it and goes on.
bool hasErrorQueue(int fd) {
  int marked = 0;
  socklen_t length = sizeof marked;
  return getsockopt(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, &marked, &length) == 0 && marked != 0;
}

// pollStart(fd, callback): 0 | -errno
napi_value pollStart(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  Polls* polls = pollsOf(env, info);
  const int fd = args.descriptor(0);
  napi_valuetype type = napi_undefined;
  napi_typeof(env, args.value(1), &type);
  if (type != napi_function) return integer(env, -EINVAL);
  if (polls->byDescriptor.count(fd) != 0) return integer(env, -EEXIST);
  uv_loop_t* loop;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return integer(env, -EINVAL);
  Poll* poll = new (std::nothrow) Poll{};
  if (poll == nullptr) return integer(env, -ENOMEM);
  const int error = uv_poll_init(loop, &poll->handle, fd);
  if (error != 0) {
    delete poll;
    return integer(env, error);
  }
  polls->open++;
  poll->handle.data = poll;
  poll->owner = polls;
  napi_create_reference(env, args.value(1), 1, &poll->callback);
  polls->byDescriptor.emplace(fd, poll);
  uv_poll_start(&poll->handle, UV_READABLE | (hasErrorQueue(fd) ? UV_PRIORITIZED : 0), onReady);
  return integer(env, 0);
}

// pollStop(fd): 0 | -errno. Call it before the descriptor is closed; it may be called from any callback.
napi_value pollStop(napi_env env, napi_callback_info info) {
  Polls* polls = pollsOf(env, info);
  const auto found = polls->byDescriptor.find(Args(env, info).descriptor(0));
  if (found == polls->byDescriptor.end()) return integer(env, -ENOENT);
  stop(found->second);
  polls->byDescriptor.erase(found);
  return integer(env, 0);
}

void onEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) {
  Polls* polls = static_cast<Polls*>(data);
  for (const auto& entry : polls->byDescriptor) stop(entry.second);
  polls->byDescriptor.clear();
  napi_async_destroy(polls->env, polls->context);
  polls->ended = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&polls->counter),
           [](uv_handle_t* handle) { noteClosed(static_cast<Polls*>(handle->data)); });
}

bool startCounter(Polls* polls) {
  uv_loop_t* loop;
  if (napi_get_uv_event_loop(polls->env, &loop) != napi_ok) return false;
  uv_prepare_init(loop, &polls->counter);
  polls->counter.data = polls;
  polls->open = 1;
  uv_prepare_start(&polls->counter, [](uv_prepare_t* handle) {
    // Stays a number that JavaScript does not have to allocate.
    int32_t& turn = static_cast<Polls*>(handle->data)->turn;
    turn = (turn + 1) & 0x3fffffff;
  });
  uv_unref(reinterpret_cast<uv_handle_t*>(&polls->counter));
  return true;
}

}  // namespace

bool registerPoll(napi_env env, napi_value exports) {
  Polls* polls = new (std::nothrow) Polls;
  if (polls == nullptr) return false;
  polls->env = env;
  napi_value name;
  if (napi_create_string_utf8(env, "mpip.poll", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, nullptr, name, &polls->context) != napi_ok) {
    delete polls;
    return false;
  }
  if (!startCounter(polls)) return false;
  napi_add_async_cleanup_hook(env, onEnvironmentEnd, polls, &polls->ending);
  return addFunction(env, exports, "pollStart", pollStart, polls) &&
         addFunction(env, exports, "pollStop", pollStop, polls);
}

}  // namespace mpip

// The decoder as operators of libtorch.
//
// They use the part of libtorch's C interface that is for libraries built without its headers:
// torch/csrc/inductor/aoti_torch/c/shim.h of 2.7. torch/csrc/stable/library.h defines how values are passed.
//
// Java loads this library after libtorch and calls `llmworker_register` once.

#include <dlfcn.h>

#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>

#include "amx.h"
#include "decoder.h"
#include "gguf_blocks.h"

namespace {

using namespace llmworker;

using Value = uint64_t;
using TensorHandle = void*;
using LibraryHandle = void*;
using Kernel = void (*)(Value* stack, uint64_t inputs, uint64_t outputs);

// The functions of libtorch that are used here. An int32_t is 0 if a function succeeded.
struct Libtorch {
  int32_t (*delete_tensor)(TensorHandle);
  int32_t (*tensor_data)(TensorHandle, void**);
  int32_t (*tensor_elements)(TensorHandle, int64_t*);
  // Throws libtorch's own exception unless `condition` holds.
  void (*check)(bool condition, const char* function, const char* file, uint32_t line, const char* message);
  int32_t (*make_definitions)(const char* name, const char* file, uint32_t line, LibraryHandle*);
  int32_t (*make_kernels)(const char* name, const char* device, const char* file, uint32_t line, LibraryHandle*);
  int32_t (*define)(LibraryHandle, const char* schema);
  int32_t (*implement)(LibraryHandle, const char* name, Kernel);
  int32_t (*delete_library)(LibraryHandle);
};

// Set before the first operator is registered.
Libtorch libtorch;

Libtorch find_libtorch() {
#ifdef __APPLE__
  // Java loads libraries so that all others find their symbols.
  void* const library = RTLD_DEFAULT;
#else
  void* const library = dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_NOLOAD);
#endif
  if (library == nullptr) throw std::runtime_error("libtorch is not loaded");
  const auto find = [&](auto& function, const char* name) {
    void* const found = dlsym(library, name);
    if (found == nullptr) throw std::runtime_error(std::string("this libtorch is not 2.7: it has no ") + name);
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
  };
  Libtorch all;
  find(all.delete_tensor, "aoti_torch_delete_tensor_object");
  find(all.tensor_data, "aoti_torch_get_data_ptr");
  find(all.tensor_elements, "aoti_torch_get_numel");
  find(all.check, "aoti_torch_check");
  find(all.make_definitions, "aoti_torch_library_init_def");
  find(all.make_kernels, "aoti_torch_library_init_impl");
  find(all.define, "aoti_torch_library_def");
  find(all.implement, "aoti_torch_library_impl");
  find(all.delete_library, "aoti_torch_delete_library_object");
  return all;
}

void succeed(int32_t error, const std::string& what) {
  if (error != 0) throw std::runtime_error("libtorch failed to " + what);
}

// Runs `action`. If it throws, writes the exception's message and returns false.
template <typename Action>
bool succeeds(Action&& action, char* message, size_t size) noexcept {
  try {
    action();
    return true;
  } catch (const std::exception& e) {
    std::snprintf(message, size, "%s", e.what());
  } catch (...) {
    std::snprintf(message, size, "unknown exception");
  }
  return false;
}

constexpr size_t MESSAGE_SIZE = 512;

// An operation as libtorch calls it. None of our exceptions crosses the border: libtorch throws one of its own with the message,
// through this frame, which has no destructors.
template <void (*OPERATION)(Value* stack)>
void kernel(Value* stack, uint64_t, uint64_t) {
  char message[MESSAGE_SIZE];
  if (succeeds([=] { OPERATION(stack); }, message, sizeof message)) return;
  libtorch.check(false, "llmworker", __FILE__, __LINE__, message);
}

// A tensor argument, which we own: dense, on the CPU, in row-major order.
class Tensor {
 public:
  explicit Tensor(Value value) : handle_(reinterpret_cast<TensorHandle>(value)) {}
  ~Tensor() { libtorch.delete_tensor(handle_); }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  template <typename Number>
  Number* data() const {
    void* data = nullptr;
    succeed(libtorch.tensor_data(handle_, &data), "give a tensor's data");
    return static_cast<Number*>(data);
  }

  int64_t elements() const {
    int64_t count = 0;
    succeed(libtorch.tensor_elements(handle_, &count), "give a tensor's size");
    return count;
  }

  // All its numbers.
  template <typename Number>
  std::span<const Number> numbers() const {
    return {data<Number>(), static_cast<size_t>(elements())};
  }

  // All its bytes, if it has bytes.
  std::span<uint8_t> writable() const { return {data<uint8_t>(), static_cast<size_t>(elements())}; }

 private:
  TensorHandle handle_;
};

double number(Value value) {
  double result;
  std::memcpy(&result, &value, 8);
  return result;
}

int integer(int64_t value) {
  if (value < INT_MIN || value > INT_MAX) throw std::out_of_range(std::to_string(value) + " is too large for an int");
  return static_cast<int>(value);
}

int integer(Value value) { return integer(static_cast<int64_t>(value)); }

void check_elements(const Tensor& tensor, int64_t expected, const char* name) {
  if (tensor.elements() != expected) {
    throw std::invalid_argument(std::string(name) + " has " + std::to_string(tensor.elements()) + " elements; expected " +
                                std::to_string(expected));
  }
}

// The decoder whose address is the one int64 of a tensor.
Decoder& decoder(const Tensor& tensor) {
  const auto found = reinterpret_cast<Decoder*>(*tensor.data<int64_t>());
  if (found == nullptr) throw std::runtime_error("the decoder is not open");
  return *found;
}

void open(Value* stack) {
  const Tensor target(stack[0]), sizes(stack[1]);
  check_elements(sizes, 5, "sizes");
  const int64_t* s = sizes.data<int64_t>();
  const Sizes all{integer(s[0]), integer(s[1]), integer(s[2]), integer(s[3]), integer(s[4])};
  *target.data<int64_t>() = reinterpret_cast<int64_t>(
      new Decoder(all, static_cast<float>(number(stack[2])), enumerator<CacheType>(integer(stack[3])), integer(stack[4])));
}

void add_rope(Value* stack) {
  const Tensor target(stack[0]), frequencies(stack[1]);
  const std::span<const double> values = frequencies.numbers<double>();
  decoder(target).add_rope({{values.begin(), values.end()}, static_cast<float>(number(stack[2]))});
}

// `add_layer` in native_decoder.py passes the members in this order.
void add_layer(Value* stack) {
  const Tensor target(stack[0]), integers(stack[1]), numbers(stack[2]);
  check_elements(integers, 23, "integers");
  check_elements(numbers, 5, "numbers");
  const int64_t* at = integers.data<int64_t>();
  const double* number = numbers.data<double>();
  LayerShape s{};
  for (int* member : {&s.heads, &s.kv_heads, &s.dim, &s.window, &s.ring, &s.keys_of, &s.rope, &s.growth_length, &s.width,
                      &s.experts, &s.used_experts, &s.shared_width, &s.kernel, &s.key_dim}) {
    *member = integer(*at++);
  }
  for (bool* member : {&s.gated, &s.bidirectional, &s.tiled, &s.norm_before, &s.norm_after, &s.softmax_of_chosen, &s.normalised}) {
    *member = *at++ != 0;
  }
  s.head_norm = enumerator<HeadNorm>(*at++);
  s.activation = enumerator<Activation>(*at++);
  for (float* member : {&s.scale, &s.cap, &s.residual_scale, &s.experts_scale}) *member = static_cast<float>(*number++);
  s.growth_beta = *number;
  decoder(target).add_layer(s);
}

void allocate(Value* stack) { decoder(Tensor(stack[0])).allocate(); }

void close(Value* stack) {
  const Tensor target(stack[0]);
  delete reinterpret_cast<Decoder*>(*target.data<int64_t>());
  *target.data<int64_t>() = 0;
}

void use_threads(Value* stack) { decoder(Tensor(stack[0])).use_threads(integer(stack[1])); }

void unpack(Value* stack) {
  const Tensor bytes(stack[0]), grids(stack[2]), numbers(stack[3]);
  read_blocks(enumerator<GgufType>(integer(stack[1])), bytes.numbers<uint8_t>(), grids.numbers<uint8_t>(),
              {numbers.data<float>(), static_cast<size_t>(numbers.elements())});
}

void put_vector(Value* stack) {
  const Tensor target(stack[0]), values(stack[3]);
  const std::span<const float> numbers = values.numbers<float>();
  decoder(target).put_vector(integer(stack[1]), enumerator<VectorRole>(integer(stack[2])), {numbers.begin(), numbers.end()});
}

void begin_matrix(Value* stack) {
  decoder(Tensor(stack[0])).begin_matrix(integer(stack[1]), enumerator<MatrixRole>(integer(stack[2])));
}

void begin_part(Value* stack) {
  const Tensor target(stack[0]), table(stack[4]);
  Decoder& to = decoder(target);
  Weights& last = to.last_matrix();
  const int rows = integer(stack[2]), all = integer(int64_t{last.rows} + rows);
  last.parts.emplace_back(enumerator<Format>(integer(stack[1])), rows, integer(stack[3]), to.memory, table.numbers<int8_t>(),
                          last.coarse);
  last.rows = all;
}

// The last part that was begun.
Matrix& part(const Tensor& target) {
  std::vector<Matrix>& parts = decoder(target).last_matrix().parts;
  if (parts.empty()) throw std::logic_error("no part of a matrix was begun");
  return parts.back();
}

void put_blocks(Value* stack) {
  const Tensor target(stack[0]), bytes(stack[1]), grids(stack[3]);
  const auto type = enumerator<GgufType>(integer(stack[2]));
  if (!part(target).put_gguf(bytes.numbers<uint8_t>(), type, grids.numbers<uint8_t>(), integer(stack[4]), integer(stack[5]),
                             decoder(target).threads())) {
    decoder(target).finite = false;
  }
}

void put_plain(Value* stack) {
  const Tensor target(stack[0]), bytes(stack[1]);
  part(target).put_plain(bytes.numbers<uint8_t>(), integer(stack[2]), integer(stack[3]), decoder(target).threads());
}

void is_finite(Value* stack) {
  const Tensor target(stack[0]), answer(stack[1]);
  *answer.data<int64_t>() = decoder(target).finite ? 1 : 0;
}

void embed(Value* stack) {
  const Tensor target(stack[0]), tokens(stack[1]), x(stack[2]);
  const std::vector<Matrix>& parts = decoder(target).head().parts;
  if (parts.size() != 1) throw std::logic_error("the head is no single matrix");
  const Matrix& head = parts[0];
  check_elements(x, tokens.elements() * head.columns(), "x");
  const int64_t* const token = tokens.data<int64_t>();
  for (int64_t i = 0; i < tokens.elements(); i++) {
    if (token[i] < 0 || token[i] >= head.rows()) throw std::runtime_error("no token has the id " + std::to_string(token[i]));
    head.read(static_cast<int>(token[i]), x.data<float>() + i * head.columns());
  }
}

void forward(Value* stack) {
  const Tensor target(stack[0]), x(stack[1]), inputs(stack[2]), slots(stack[3]), positions(stack[4]);
  Decoder& to = decoder(target);
  check_elements(positions, slots.elements(), "positions");
  check_elements(x, slots.elements() * to.sizes().hidden, "x");
  check_elements(inputs, slots.elements() * to.input_size(), "inputs");
  const int64_t *slot = slots.data<int64_t>(), *position = positions.data<int64_t>();
  std::vector<Place> places(slots.elements());
  for (size_t i = 0; i < places.size(); i++) places[i] = {integer(slot[i]), integer(position[i])};
  to.forward(x.data<float>(), places, integer(stack[5]), integer(stack[6]), inputs.data<float>());
}

void head(Value* stack) {
  const Tensor target(stack[0]), x(stack[1]), logits(stack[2]);
  Decoder& from = decoder(target);
  const int64_t n = x.elements() / from.sizes().hidden;
  check_elements(logits, n * from.sizes().vocabulary, "logits");
  from.head(x.data<float>(), static_cast<int>(n), logits.data<float>());
}

void copy_slot(Value* stack) {
  const Tensor target(stack[0]);
  decoder(target).cache().copy(integer(stack[1]), integer(stack[2]), integer(stack[3]));
}

void copy_state(Value* stack) {
  const Tensor target(stack[0]);
  decoder(target).cache().copy_state(integer(stack[1]), integer(stack[2]), integer(stack[3]), integer(stack[4]));
}

void swap_slots(Value* stack) {
  const Tensor target(stack[0]);
  decoder(target).cache().swap(integer(stack[1]), integer(stack[2]));
}

void read_positions(Value* stack) {
  const Tensor target(stack[0]), bytes(stack[1]);
  decoder(target).cache().read(integer(stack[2]), integer(stack[3]), integer(stack[4]), bytes.writable());
}

void write_positions(Value* stack) {
  const Tensor target(stack[0]), bytes(stack[1]);
  decoder(target).cache().write(integer(stack[2]), integer(stack[3]), integer(stack[4]), bytes.numbers<uint8_t>());
}

void read_state(Value* stack) {
  const Tensor target(stack[0]), bytes(stack[1]);
  decoder(target).cache().read_state(integer(stack[2]), integer(stack[3]), bytes.writable());
}

void write_state(Value* stack) {
  const Tensor target(stack[0]), bytes(stack[1]);
  decoder(target).cache().write_state(integer(stack[2]), integer(stack[3]), bytes.numbers<uint8_t>());
}

struct Operator {
  const char* name;
  const char* arguments;
  Kernel kernel;
};

// native_decoder.py has the same schemas.
constexpr Operator OPERATORS[] = {
    {"open", "Tensor(a!) decoder, Tensor sizes, float epsilon, int cache, int threads", kernel<open>},
    {"close", "Tensor(a!) decoder", kernel<close>},
    {"use_threads", "Tensor(a!) decoder, int count", kernel<use_threads>},
    {"unpack", "Tensor bytes, int type, Tensor grids, Tensor(a!) numbers", kernel<unpack>},
    {"add_rope", "Tensor(a!) decoder, Tensor frequencies, float strength", kernel<add_rope>},
    {"add_layer", "Tensor(a!) decoder, Tensor integers, Tensor numbers", kernel<add_layer>},
    {"allocate", "Tensor(a!) decoder", kernel<allocate>},
    {"put_vector", "Tensor(a!) decoder, int layer, int role, Tensor values", kernel<put_vector>},
    {"begin_matrix", "Tensor(a!) decoder, int layer, int role", kernel<begin_matrix>},
    {"begin_part", "Tensor(a!) decoder, int format, int rows, int columns, Tensor table", kernel<begin_part>},
    {"put_blocks", "Tensor(a!) decoder, Tensor bytes, int type, Tensor grids, int first, int count", kernel<put_blocks>},
    {"put_plain", "Tensor(a!) decoder, Tensor rows, int first, int count", kernel<put_plain>},
    {"is_finite", "Tensor(a!) decoder, Tensor(b!) answer", kernel<is_finite>},
    {"embed", "Tensor(a!) decoder, Tensor tokens, Tensor(b!) x", kernel<embed>},
    {"forward", "Tensor(a!) decoder, Tensor(b!) x, Tensor(c!) inputs, Tensor slots, Tensor positions, int first, int count",
     kernel<forward>},
    {"head", "Tensor(a!) decoder, Tensor x, Tensor(b!) logits", kernel<head>},
    {"copy_slot", "Tensor(a!) decoder, int source, int target, int length", kernel<copy_slot>},
    {"copy_state", "Tensor(a!) decoder, int source, int from, int target, int to", kernel<copy_state>},
    {"swap_slots", "Tensor(a!) decoder, int a, int b, int length", kernel<swap_slots>},
    {"read_positions", "Tensor(a!) decoder, Tensor(b!) bytes, int slot, int start, int end", kernel<read_positions>},
    {"write_positions", "Tensor(a!) decoder, Tensor bytes, int slot, int start, int end", kernel<write_positions>},
    {"read_state", "Tensor(a!) decoder, Tensor(b!) bytes, int slot, int state", kernel<read_state>},
    {"write_state", "Tensor(a!) decoder, Tensor bytes, int slot, int state", kernel<write_state>},
};

// A group of registrations with libtorch. Takes them back unless they are kept.
class Library {
 public:
  Library() = default;
  ~Library() {
    if (handle_ != nullptr) libtorch.delete_library(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  LibraryHandle get() const { return handle_; }
  LibraryHandle* address() { return &handle_; }
  void keep() { handle_ = nullptr; }

 private:
  LibraryHandle handle_ = nullptr;
};

// Registers all operators or none.
void register_operators() {
  if (libtorch.check == nullptr) libtorch = find_libtorch();
  Library definitions, kernels;
  succeed(libtorch.make_definitions("llmworker", __FILE__, __LINE__, definitions.address()),
          "open the namespace llmworker; it may be registered already");
  succeed(libtorch.make_kernels("llmworker", "CPU", __FILE__, __LINE__, kernels.address()), "open llmworker for CPUs");
  for (const Operator& op : OPERATORS) {
    const std::string schema = std::string(op.name) + "(" + op.arguments + ") -> ()";
    succeed(libtorch.define(definitions.get(), schema.c_str()), "define " + schema);
    succeed(libtorch.implement(kernels.get(), op.name, op.kernel), std::string("implement ") + op.name);
  }
  definitions.keep();
  kernels.keep();
}

}  // namespace

// Registers the operators for as long as the process lives. libtorch must be loaded. Returns 0; or, if it fails, 1 and a message
// of at most `size` bytes including the final 0. Threading: one call at a time.
extern "C" [[gnu::visibility("default")]] int32_t llmworker_register(char* message, uint64_t size) {
  return succeeds(register_operators, message, size) ? 0 : 1;
}

// 1 if this process can use AMX, or else 0. Threading: any thread.
extern "C" [[gnu::visibility("default")]] int32_t llmworker_amx_is_usable() { return amx_is_usable() ? 1 : 0; }

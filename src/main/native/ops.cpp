// The decoder as operators of libtorch, by the part of its C interface that is meant for libraries built without its
// headers (torch/csrc/inductor/aoti_torch/c/shim.h of 2.7; torch/csrc/stable/library.h says how values cross over).
//
// Loading this library registers them. libtorch must be loaded already.

#include <dlfcn.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "decoder.h"

namespace {

using namespace llmworker;

using Value = uint64_t;
using TensorHandle = void*;
using Library = void*;
using Kernel = void (*)(Value* stack, uint64_t inputs, uint64_t outputs);

template <typename Function>
Function libtorch(const char* name) {
  static void* const library = dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_NOLOAD);
  void* const found = library == nullptr ? nullptr : dlsym(library, name);
  if (found == nullptr) throw std::runtime_error(std::string("libtorch 2.7 is not loaded, or has no ") + name);
  return reinterpret_cast<Function>(found);
}

void succeed(int32_t error, const char* what) {
  if (error != 0) throw std::runtime_error(std::string("libtorch failed to ") + what);
}

// A tensor argument, ours to let go of: dense, on the CPU, in row-major order.
class Tensor {
 public:
  explicit Tensor(Value value) : handle_(reinterpret_cast<TensorHandle>(value)) {}
  ~Tensor() {
    static const auto let_go = libtorch<int32_t (*)(TensorHandle)>("aoti_torch_delete_tensor_object");
    let_go(handle_);
  }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  template <typename Number>
  Number* data() const {
    static const auto get = libtorch<int32_t (*)(TensorHandle, void**)>("aoti_torch_get_data_ptr");
    void* data = nullptr;
    succeed(get(handle_, &data), "give a tensor's data");
    return static_cast<Number*>(data);
  }

  int64_t elements() const {
    static const auto get = libtorch<int32_t (*)(TensorHandle, int64_t*)>("aoti_torch_get_numel");
    int64_t count = 0;
    succeed(get(handle_, &count), "give a tensor's size");
    return count;
  }

 private:
  TensorHandle handle_;
};

double number(Value value) {
  double result;
  std::memcpy(&result, &value, 8);
  return result;
}

int integer(Value value) { return static_cast<int>(static_cast<int64_t>(value)); }

// The decoder that a tensor of one int64 points to.
Decoder& decoder(const Tensor& tensor) {
  const auto found = reinterpret_cast<Decoder*>(*tensor.data<int64_t>());
  if (found == nullptr) throw std::runtime_error("the decoder is not open");
  return *found;
}

void open(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]), sizes(stack[1]);
  const int64_t* s = sizes.data<int64_t>();
  const auto at = [&](int i) { return static_cast<int>(s[i]); };
  const Sizes all{at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)};
  *target.data<int64_t>() = reinterpret_cast<int64_t>(
      new Decoder(all, static_cast<float>(number(stack[2])), static_cast<CacheType>(integer(stack[3])), integer(stack[4])));
}

void close(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]);
  delete reinterpret_cast<Decoder*>(*target.data<int64_t>());
  *target.data<int64_t>() = 0;
}

void use_threads(Value* stack, uint64_t, uint64_t) { decoder(Tensor(stack[0])).use_threads(integer(stack[1])); }

void put_vector(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]), values(stack[2]);
  Decoder& to = decoder(target);
  const float* data = values.data<float>();
  const std::vector<float> vector(data, data + values.elements());
  switch (integer(stack[1])) {
    case 0: to.norms.push_back(vector); break;
    case 1: to.biases.push_back(vector); break;
    default: to.head_norms.push_back(vector); break;
  }
}

void put_frequencies(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]), values(stack[1]);
  const double* data = values.data<double>();
  decoder(target).frequencies.assign(data, data + values.elements());
}

void begin_matrix(Value* stack, uint64_t, uint64_t) { decoder(Tensor(stack[0])).weights.emplace_back(); }

void begin_part(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]);
  Weights& last = decoder(target).weights.back();
  last.parts.emplace_back(static_cast<Format>(integer(stack[1])), integer(stack[2]), integer(stack[3]),
                          decoder(target).memory);
  last.rows += integer(stack[2]);
}

Matrix& part(const Tensor& target) { return decoder(target).weights.back().parts.back(); }

void put_blocks(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]), bytes(stack[1]);
  if (!part(target).put_gguf(bytes.data<uint8_t>(), integer(stack[2]), integer(stack[3]), integer(stack[4]))) {
    decoder(target).finite = false;
  }
}

void put_quants(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]), quants(stack[1]), scales(stack[2]), offsets(stack[3]);
  part(target).put_quants(quants.data<uint8_t>(), scales.data<float>(), offsets.data<float>(), integer(stack[4]),
                          integer(stack[5]));
}

void put_plain(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]), rows(stack[1]);
  part(target).put_plain(rows.data<void>(), integer(stack[2]), integer(stack[3]));
}

void is_finite(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]), answer(stack[1]);
  *answer.data<int64_t>() = decoder(target).finite ? 1 : 0;
}

void embed(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]), tokens(stack[1]), x(stack[2]);
  const Matrix& head = part(target);
  const int64_t* const token = tokens.data<int64_t>();
  for (int64_t i = 0; i < tokens.elements(); i++) {
    if (token[i] < 0 || token[i] >= head.rows()) throw std::runtime_error("no token has the id " + std::to_string(token[i]));
    head.read(static_cast<int>(token[i]), x.data<float>() + i * head.columns());
  }
}

void forward(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]), x(stack[1]), slots(stack[2]), positions(stack[3]);
  const int64_t *slot = slots.data<int64_t>(), *position = positions.data<int64_t>();
  std::vector<Place> places(slots.elements());
  for (size_t i = 0; i < places.size(); i++) places[i] = {static_cast<int>(slot[i]), static_cast<int>(position[i])};
  const int first = integer(stack[4]), count = integer(stack[5]);
  if (first < 0 || count < 0 || static_cast<size_t>(first) + count > places.size()) {
    throw std::runtime_error("rows " + std::to_string(first) + " to " + std::to_string(first + count) + " are wanted of " +
                             std::to_string(places.size()));
  }
  decoder(target).forward(x.data<float>(), places, first, count);
}

void head(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]), x(stack[1]), logits(stack[2]);
  Decoder& from = decoder(target);
  from.head(x.data<float>(), static_cast<int>(x.elements() / from.sizes().hidden), logits.data<float>());
}

void copy_slot(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]);
  decoder(target).cache().copy(integer(stack[1]), integer(stack[2]), integer(stack[3]));
}

void swap_slots(Value* stack, uint64_t, uint64_t) {
  const Tensor target(stack[0]);
  decoder(target).cache().swap(integer(stack[1]), integer(stack[2]));
}

struct Operator {
  const char* name;
  const char* arguments;
  Kernel kernel;
};

// The same as in native_decoder.py.
constexpr Operator OPERATORS[] = {
    {"open", "Tensor(a!) decoder, Tensor sizes, float epsilon, int cache, int threads", open},
    {"close", "Tensor(a!) decoder", close},
    {"use_threads", "Tensor(a!) decoder, int count", use_threads},
    {"put_vector", "Tensor(a!) decoder, int kind, Tensor values", put_vector},
    {"put_frequencies", "Tensor(a!) decoder, Tensor values", put_frequencies},
    {"begin_matrix", "Tensor(a!) decoder", begin_matrix},
    {"begin_part", "Tensor(a!) decoder, int format, int rows, int columns", begin_part},
    {"put_blocks", "Tensor(a!) decoder, Tensor bytes, int type, int first, int count", put_blocks},
    {"put_quants", "Tensor(a!) decoder, Tensor quants, Tensor scales, Tensor offsets, int first, int count", put_quants},
    {"put_plain", "Tensor(a!) decoder, Tensor rows, int first, int count", put_plain},
    {"is_finite", "Tensor(a!) decoder, Tensor(b!) answer", is_finite},
    {"embed", "Tensor(a!) decoder, Tensor tokens, Tensor(b!) x", embed},
    {"forward", "Tensor(a!) decoder, Tensor(b!) x, Tensor slots, Tensor positions, int first, int count", forward},
    {"head", "Tensor(a!) decoder, Tensor x, Tensor(b!) logits", head},
    {"copy_slot", "Tensor(a!) decoder, int source, int target, int length", copy_slot},
    {"swap_slots", "Tensor(a!) decoder, int a, int b, int length", swap_slots},
};

// Registers the operators, for as long as the process lives.
struct Registration {
  Registration() {
    using Make = int32_t (*)(const char*, const char*, uint32_t, Library*);
    using MakeFor = int32_t (*)(const char*, const char*, const char*, uint32_t, Library*);
    Library definitions = nullptr, kernels = nullptr;
    succeed(libtorch<Make>("aoti_torch_library_init_def")("llmworker", __FILE__, __LINE__, &definitions), "make a library");
    succeed(libtorch<MakeFor>("aoti_torch_library_init_impl")("llmworker", "CPU", __FILE__, __LINE__, &kernels),
            "make a library");
    const auto define = libtorch<int32_t (*)(Library, const char*)>("aoti_torch_library_def");
    const auto implement = libtorch<int32_t (*)(Library, const char*, Kernel)>("aoti_torch_library_impl");
    for (const Operator& op : OPERATORS) {
      succeed(define(definitions, (std::string(op.name) + "(" + op.arguments + ") -> ()").c_str()), op.name);
      succeed(implement(kernels, op.name, op.kernel), op.name);
    }
  }
} const registration;

}  // namespace

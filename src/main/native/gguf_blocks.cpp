#include "gguf_blocks.h"

#include <stdexcept>
#include <string>

#include "matrix.h"

namespace llmworker {

void check_size(const char* what, size_t found, size_t expected) {
  if (found != expected) {
    throw std::invalid_argument(std::string(what) + " have the size " + std::to_string(found) + "; expected " +
                                std::to_string(expected));
  }
}

void read_blocks(GgufType type, std::span<const uint8_t> bytes, std::span<const uint8_t> grids, std::span<float> numbers) {
  const BlockShape shape = block_shape(type);
  check_size("blocks", bytes.size(), numbers.size() / shape.elements * shape.bytes);
  check_size("numbers", numbers.size(), bytes.size() / shape.bytes * shape.elements);
  check_size("grids", grids.size(), GRIDS_BYTES);
  with_type(type, [&]<GgufType TYPE>() {
    constexpr BlockShape SHAPE = block_shape(TYPE);
    constexpr CodeTable TABLE = code_table(TYPE);
    constexpr int WIDTH = Quants::COUNT / scales_a_block(SHAPE.format);
    Quants some{};
    float* out = numbers.data();
    for (const uint8_t* block = bytes.data(); block < bytes.data() + bytes.size(); block += SHAPE.bytes) {
      for (int part = 0; part < SHAPE.elements / Quants::COUNT; part++) {
        take_apart<TYPE>(block, part, grids.data(), some);
        for (int i = 0; i < Quants::COUNT; i++) {
          const float scale = some.scales[i / WIDTH];
          if constexpr (has_codes(SHAPE.format)) {
            *out++ = static_cast<float>(TABLE[some.quants[i]]) * scale;
          } else if constexpr (SHAPE.format == Format::Q8) {
            *out++ = static_cast<float>(static_cast<int8_t>(some.quants[i])) * scale;
          } else {
            *out++ = static_cast<float>(some.quants[i]) * scale + some.offsets[i / WIDTH];
          }
        }
      }
    }
  });
}

}  // namespace llmworker

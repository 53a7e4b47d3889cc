package dev.llmworker.model;

/// What a loaded decoder is, for the start-up banner, the bounds of requests and the metrics.
///
/// @param name the model's name, as its file has it
/// @param architecture as GGUF names it: `llama`
/// @param vocabularySize token ids are 0 to this, exclusive
/// @param contextLength the most tokens of a sequence, prompt and answer together
/// @param slots the most sequences decoded together
/// @param device where it runs: `cpu`, `cuda:0`
/// @param weightFormat how the weights lie there: `int4 (Q4_1)`
/// @param kvCacheBytes size of the whole KV cache; its memory is taken as it is first used
/// @param kvCacheBytesPerToken what a position of a sequence takes of it
public record DecoderDescription(
        String name,
        String architecture,
        int vocabularySize,
        int contextLength,
        int slots,
        String device,
        String weightFormat,
        long kvCacheBytes,
        long kvCacheBytesPerToken) {}

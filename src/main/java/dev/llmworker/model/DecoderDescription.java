package dev.llmworker.model;

import java.util.Map;

/// Describes a loaded decoder, for the start-up banner, the limits of requests and the metrics.
///
/// @param name the model's name, as its file has it
/// @param architecture as GGUF names it: `llama`
/// @param vocabularySize token ids are 0 to this, exclusive
/// @param contextLength the most tokens of a sequence, prompt and answer together
/// @param slots the most sequences decoded together
/// @param device where it runs: `cpu`, `cuda:0`
/// @param weightFormat how the weights are held there: `int4 (Q4_1)`
/// @param kvCacheBytes size of the whole cache; its memory is taken when it is first used
/// @param kvCacheBytesByKind the same by what layers keep: `full`, `window`, `recurrent`
/// @param kvCacheBytesPerToken bytes of the cache that one position takes
/// @param kvCacheTokens positions that all sequences together have room for
public record DecoderDescription(
        String name,
        String architecture,
        int vocabularySize,
        int contextLength,
        int slots,
        String device,
        String weightFormat,
        long kvCacheBytes,
        Map<String, Long> kvCacheBytesByKind,
        long kvCacheBytesPerToken,
        long kvCacheTokens) {}

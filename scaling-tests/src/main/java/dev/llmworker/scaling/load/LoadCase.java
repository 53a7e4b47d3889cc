package dev.llmworker.scaling.load;

import dev.llmworker.scaling.client.Figures;
import dev.llmworker.scaling.client.Json;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// The result of a number of streams over one transport.
///
/// @param generations in the order of their ends; fewer than requested if the case was interrupted
/// @param seconds from the first request to the last answer
record LoadCase(Transport transport, int streams, List<Generation> generations, double seconds) {
    List<Generation> good() {
        return generations.stream().filter(Generation::isOk).toList();
    }

    private long tokens() {
        return good().stream().mapToLong(Generation::tokens).sum();
    }

    double tokensPerSecond() {
        return tokens() / seconds;
    }

    /// Milliseconds to the first token, of each answer that arrived in pieces.
    List<Double> firstMillis() {
        return good().stream()
                .filter(generation -> !generation.tokenMillis().isEmpty())
                .map(generation -> generation.tokenMillis().getFirst())
                .toList();
    }

    /// Milliseconds between tokens, of all answers together.
    List<Double> betweenMillis() {
        return good().stream()
                .map(Generation::tokenMillis)
                .flatMap(times -> IntStream.range(1, times.size()).mapToObj(i -> times.get(i) - times.get(i - 1)))
                .toList();
    }

    List<Double> wholeMillis() {
        return good().stream().map(Generation::millis).toList();
    }

    Map<String, Long> errors() {
        return generations.stream()
                .filter(generation -> !generation.isOk())
                .collect(Collectors.groupingBy(Generation::failure, TreeMap::new, Collectors.counting()));
    }

    long errorCount() {
        return generations.size() - good().size();
    }

    /// `8 streams over SSE`.
    String name() {
        return Figures.count(streams, "stream") + " over " + transport.text;
    }

    String summary() {
        return "%s tokens/s, first token %s, %s"
                .formatted(
                        Figures.shown(tokensPerSecond()),
                        Figures.millis(Figures.median(firstMillis())),
                        Figures.count(errorCount(), "error"));
    }

    Map<String, Object> figures() {
        return Json.object(
                "over", transport.text,
                "streams", streams,
                "answers", good().size(),
                "errors", errors(),
                "seconds", seconds,
                "tokens", tokens(),
                "tokens_per_second", tokensPerSecond(),
                "first_token_millis", Figures.summary(firstMillis()),
                "between_tokens_millis", Figures.summary(betweenMillis()),
                "whole_answer_millis", Figures.summary(wholeMillis()));
    }
}

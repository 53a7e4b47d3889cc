package dev.llmworker.scaling;

import dev.llmworker.scaling.Figures.Summary;
import dev.llmworker.scaling.LoadTest.Transport;
import dev.llmworker.scaling.Report.Table;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// What a load test measured, as its JSON report has it.
record LoadReport(String program, Map<String, Object> settings, String stopped, List<Case> cases) {
    private static final String HEADS =
            "over,streams,tokens/s,first token p50,p95,p99,between p50,p95,p99,answer p50,answers,errors";

    /// The result of a number of streams over one transport.
    ///
    /// @param answers complete ones
    /// @param errors how often each reason was met
    /// @param seconds from the first request to the last answer
    /// @param firstTokenMillis to the first token, of each answer that arrived in pieces
    /// @param betweenTokensMillis of all answers together
    record Case(
            Transport over,
            int streams,
            int answers,
            Map<String, Long> errors,
            double seconds,
            long tokens,
            double tokensPerSecond,
            Summary firstTokenMillis,
            Summary betweenTokensMillis,
            Summary wholeAnswerMillis) {
        /// @param generations fewer than requested if the run was interrupted
        static Case of(Transport over, int streams, List<Generation> generations, double seconds) {
            var good = generations.stream().filter(Generation::isOk).toList();
            var errors = generations.stream()
                    .filter(generation -> !generation.isOk())
                    .collect(Collectors.groupingBy(one -> one.failure, TreeMap::new, Collectors.counting()));
            var tokens = good.stream().mapToLong(Generation::tokens).sum();
            return new Case(
                    over,
                    streams,
                    good.size(),
                    errors,
                    seconds,
                    tokens,
                    tokens / seconds,
                    summary(good, Generation::firstMillis),
                    summary(good, Generation::betweenMillis),
                    summary(good, one -> List.of(one.millis)));
        }

        private static Summary summary(List<Generation> all, Function<Generation, List<Double>> millis) {
            return Summary.of(all.stream().map(millis).flatMap(List::stream).toList());
        }

        private long errorCount() {
            return errors.values().stream().mapToLong(Long::longValue).sum();
        }

        String summary() {
            return "%s tokens/s, first token %s, %s"
                    .formatted(
                            Figures.shown(tokensPerSecond),
                            Figures.millis(firstTokenMillis.p50()),
                            Figures.count(errorCount(), "error"));
        }

        private List<String> row() {
            return List.of(
                    over.toString(),
                    Integer.toString(streams),
                    Figures.shown(tokensPerSecond),
                    Figures.millis(firstTokenMillis.p50()),
                    Figures.millis(firstTokenMillis.p95()),
                    Figures.millis(firstTokenMillis.p99()),
                    Figures.millis(betweenTokensMillis.p50()),
                    Figures.millis(betweenTokensMillis.p95()),
                    Figures.millis(betweenTokensMillis.p99()),
                    Figures.millis(wholeAnswerMillis.p50()),
                    Integer.toString(answers),
                    Long.toString(errorCount()));
        }

        private List<String> errorLines() {
            return errors.entrySet().stream()
                    .map(error -> "%s over %s: %d × %s"
                            .formatted(Figures.count(streams, "stream"), over, error.getValue(), error.getKey()))
                    .toList();
        }
    }

    Report report() {
        var errors = cases.stream().map(Case::errorLines).flatMap(List::stream).toList();
        var rows = cases.stream().map(Case::row).toList();
        var charts = Stream.of(
                        chart("Tokens per second, all streams together", "tokens/s", Case::tokensPerSecond),
                        chart("Time to the first token, p50", "ms", one -> one.firstTokenMillis.p50()),
                        chart("Time to the first token, p99", "ms", one -> one.firstTokenMillis.p99()),
                        chart("Between tokens, p99", "ms", one -> one.betweenTokensMillis.p99()))
                .flatMap(Optional::stream)
                .toList();
        return new Report(
                "Load test",
                settings,
                stopped,
                errors,
                List.of(),
                charts,
                List.of(new Table(List.of(HEADS.split(",")), rows)),
                this,
                stopped.isEmpty() && errors.isEmpty());
    }

    /// A line for each transport over the number of streams.
    private Optional<Chart> chart(String caption, String unit, ToDoubleFunction<Case> figure) {
        var columns = cases.stream().map(Case::streams).distinct().toList();
        var lines = new EnumMap<Transport, List<Double>>(Transport.class);
        for (var one : cases) {
            var line = lines.computeIfAbsent(
                    one.over, _ -> new ArrayList<>(Collections.nCopies(columns.size(), Double.NaN)));
            line.set(columns.indexOf(one.streams), figure.applyAsDouble(one));
        }
        lines.values().removeIf(line -> line.stream().allMatch(value -> value.isNaN()));
        return lines.isEmpty() ? Optional.empty() : Optional.of(Chart.lines(caption, unit, columns, lines));
    }
}

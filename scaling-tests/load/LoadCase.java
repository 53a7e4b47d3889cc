package load;

import client.Figures;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/// What so many streams over one transport did.
///
/// @param generations as they ended; the list of a case that was interrupted is short
/// @param seconds from the first request to the last answer
record LoadCase(LoadOptions.Transport transport, int streams, List<Generation> generations, double seconds) {
    List<Generation> good() {
        return generations.stream().filter(Generation::isOk).toList();
    }

    long tokens() {
        return good().stream().mapToLong(Generation::tokens).sum();
    }

    double tokensPerSecond() {
        return tokens() / seconds;
    }

    /// Milliseconds to the first token, of each answer that came in pieces.
    List<Double> firstMillis() {
        return good().stream()
                .filter(generation -> !generation.tokenMillis().isEmpty())
                .map(generation -> generation.tokenMillis().getFirst())
                .toList();
    }

    /// Milliseconds between tokens, of all answers together.
    List<Double> betweenMillis() {
        var between = new ArrayList<Double>();
        for (var generation : good()) {
            for (var i = 1; i < generation.tokenMillis().size(); i++) {
                between.add(generation.tokenMillis().get(i)
                        - generation.tokenMillis().get(i - 1));
            }
        }
        return between;
    }

    List<Double> wholeMillis() {
        return good().stream().map(Generation::millis).toList();
    }

    Map<String, Long> errors() {
        return generations.stream()
                .filter(generation -> !generation.isOk())
                .collect(Collectors.groupingBy(Generation::failure, LinkedHashMap::new, Collectors.counting()));
    }

    long errorCount() {
        return generations.size() - good().size();
    }

    Map<String, Object> figures() {
        var figures = new LinkedHashMap<String, Object>();
        figures.put("over", transport.text);
        figures.put("streams", streams);
        figures.put("answers", good().size());
        figures.put("errors", errors());
        figures.put("seconds", seconds);
        figures.put("tokens", tokens());
        figures.put("tokens_per_second", tokensPerSecond());
        figures.put("first_token_millis", Figures.summary(firstMillis()));
        figures.put("between_tokens_millis", Figures.summary(betweenMillis()));
        figures.put("whole_answer_millis", Figures.summary(wholeMillis()));
        return figures;
    }
}

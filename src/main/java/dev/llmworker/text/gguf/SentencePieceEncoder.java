package dev.llmworker.text.gguf;

import dev.llmworker.text.NameGuard;
import dev.llmworker.text.TextEncoder;
import dev.llmworker.text.TokenNames;
import dev.llmworker.text.Vocabulary;
import dev.llmworker.text.Vocabulary.Kind;
import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.Comparator;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.stream.IntStream;

/// BPE as in SentencePiece, for Llama 1 and 2, TinyLlama and Mistral. Of all neighbours that make a token, those
/// of the best-scored token are merged first; on equal scores, the leftmost. What is then no token is spelled in
/// byte tokens. Spaces are written `▁`.
///
/// The Hugging Face tokenizers are not used here because they rank merges only. Ranks rebuilt from scores cannot
/// say "the leftmost", so runs such as `aaaa` give other tokens.
public final class SentencePieceEncoder implements TextEncoder {

    private static final int NONE = -1;
    private static final Comparator<Candidate> BEST_FIRST = Comparator.comparingDouble(
                    (Candidate candidate) -> -candidate.score)
            .thenComparingInt(Candidate::left);

    /// Two neighbouring symbols, given by their start, that would make a token of `length` characters.
    private record Candidate(int left, int right, int length, float score) {}

    private final Map<String, Integer> pieces;
    private final float[] scores;
    private final int[] byteTokens;
    private final int longestPiece;
    /// The tokens that are cut out of a text before it is split into pieces.
    private final TokenNames whole;

    private final BitSet stripping;
    private final boolean addsLeadingSpace;

    /// @param stripping the tokens that take the white space after them
    SentencePieceEncoder(Metadata metadata, Vocabulary vocabulary, BitSet stripping, boolean addsLeadingSpace)
            throws ModelFileException {
        pieces = vocabulary.named(Kind.UNDEFINED, Kind.NORMAL, Kind.USER_DEFINED, Kind.UNUSED);
        longestPiece = pieces.keySet().stream().mapToInt(String::length).max().orElse(0);
        scores = scores(metadata, vocabulary.size());
        byteTokens = byteTokens(metadata, vocabulary);
        whole = new TokenNames(vocabulary.named(Kind.CONTROL, Kind.UNKNOWN, Kind.USER_DEFINED));
        this.stripping = stripping;
        this.addsLeadingSpace = addsLeadingSpace;
    }

    private static float[] scores(Metadata metadata, int tokens) throws ModelFileException {
        var key = "tokenizer.ggml.scores";
        if (!metadata.has(key)) {
            // As in llama.cpp, all are equal then.
            return new float[tokens];
        }
        var scores = metadata.numbers(key);
        Vocabulary.requireOnePerToken(metadata, key, scores.length, tokens);
        for (var id = 0; id < tokens; id++) {
            if (Float.isNaN(scores[id])) {
                throw new ModelFileException(metadata.file(), key + " of token " + id + " is NaN");
            }
            // Turns -0 into 0: the two are the same score.
            scores[id] += 0f;
        }
        return scores;
    }

    private static int[] byteTokens(Metadata metadata, Vocabulary vocabulary) throws ModelFileException {
        var named = vocabulary.named(Kind.BYTE);
        if (named.size() != 0x100) {
            throw new ModelFileException(
                    metadata.file(), "tokenizer.ggml.tokens has " + named.size() + " byte tokens; expected 256");
        }
        var tokens = new int[0x100];
        for (var value = 0; value < tokens.length; value++) {
            var name = "<0x%02X>".formatted(value);
            var id = named.get(name);
            if (id == null) {
                throw new ModelFileException(metadata.file(), "tokenizer.ggml.tokens has no byte token " + name);
            }
            tokens[value] = id;
        }
        return tokens;
    }

    @Override
    public int[] encode(String guarded) {
        var ids = IntStream.builder();
        var from = 0;
        for (var parts = 1; from < guarded.length(); parts++) {
            TextEncoder.stopIfInterrupted(parts);
            var match = whole.find(guarded, from);
            var end = match == null ? guarded.length() : match.start();
            if (end > from) {
                encodePiecewise(NameGuard.unguarded(guarded.substring(from, end)), ids);
            }
            from = end;
            if (match != null) {
                ids.add(match.id());
                from = match.end();
                while (stripping.get(match.id())
                        && from < guarded.length()
                        && Character.isWhitespace(guarded.charAt(from))) {
                    from++;
                }
            }
        }
        return ids.build().toArray();
    }

    private void encodePiecewise(String text, IntStream.Builder ids) {
        var escaped = (addsLeadingSpace ? " " + text : text).replace(' ', '▁');
        var symbols = new Symbols(escaped);
        symbols.merge();
        for (var start = 0; start < escaped.length(); start = symbols.end[start]) {
            var symbol = escaped.substring(start, symbols.end[start]);
            var id = pieces.get(symbol);
            if (id != null) {
                ids.add(id);
            } else {
                for (var value : symbol.getBytes(StandardCharsets.UTF_8)) {
                    ids.add(byteTokens[value & 0xFF]);
                }
            }
        }
    }

    /// A text split into symbols, at first its characters. A symbol is identified by its start in the text; the
    /// next one starts at its end.
    private final class Symbols {
        final String text;
        final int[] end;
        private final int[] previous;
        private final PriorityQueue<Candidate> candidates = new PriorityQueue<>(BEST_FIRST);
        private int steps;

        Symbols(String text) {
            this.text = text;
            end = new int[text.length()];
            previous = new int[text.length()];
            var before = NONE;
            for (var start = 0; start < text.length(); start = end[start]) {
                TextEncoder.stopIfInterrupted(start);
                end[start] = start + Character.charCount(text.codePointAt(start));
                previous[start] = before;
                before = start;
            }
        }

        void merge() {
            for (var start = 0; start < text.length(); start = end[start]) {
                offer(previous[start], start);
            }
            for (var best = candidates.poll(); best != null; best = candidates.poll()) {
                if (stillThere(best)) {
                    var left = best.left;
                    end[left] = end[best.right];
                    end[best.right] = NONE;
                    if (end[left] < text.length()) {
                        previous[end[left]] = left;
                    }
                    offer(previous[left], left);
                    offer(left, end[left]);
                }
            }
        }

        /// Whether the candidate's symbols are unchanged. A symbol that was merged into another has no end; one
        /// that grew makes its old candidates too short.
        private boolean stillThere(Candidate candidate) {
            return end[candidate.left] == candidate.right && end[candidate.right] - candidate.left == candidate.length;
        }

        private void offer(int left, int right) {
            TextEncoder.stopIfInterrupted(steps++);
            if (left == NONE || right == text.length() || end[right] - left > longestPiece) {
                return;
            }
            var id = pieces.get(text.substring(left, end[right]));
            if (id != null) {
                candidates.add(new Candidate(left, right, end[right] - left, scores[id]));
            }
        }
    }
}

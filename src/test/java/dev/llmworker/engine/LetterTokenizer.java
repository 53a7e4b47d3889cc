package dev.llmworker.engine;

import dev.llmworker.text.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Each id is a letter; each letter of a text is an id.
class LetterTokenizer implements Tokenizer {
    static String letters(int[] ids, int count) {
        return IntStream.range(0, count).mapToObj(i -> letter(ids[i])).collect(Collectors.joining());
    }

    private static String letter(int id) {
        return Character.toString('a' + id % 26);
    }

    @Override
    public int[] encodeText(String text) {
        return text.chars().toArray();
    }

    @Override
    public int[] encodeWithControlTokens(String text) {
        return encodeText(text);
    }

    @Override
    public int[] encodeMarked(String text, char mark) {
        return encodeText(text);
    }

    @Override
    public OptionalInt beginOfSequence() {
        return OptionalInt.empty();
    }

    @Override
    public Map<String, Integer> controlTokens() {
        return Map.of();
    }

    @Override
    public byte[] bytes(int id) {
        return letter(id).getBytes(StandardCharsets.US_ASCII);
    }

    @Override
    public boolean isEndOfSequence(int id) {
        return id == FakeDecoder.END;
    }

    @Override
    public int vocabularySize() {
        return FakeDecoder.VOCABULARY;
    }
}

package dev.llmworker.engine;

import java.nio.charset.StandardCharsets;

/// Each printable letter is an id, from the blank on. A point ends a turn.
final class PrintableLetters extends LetterTokenizer {
    @Override
    public int[] encodeText(String text) {
        return text.chars().map(letter -> letter - ' ').toArray();
    }

    @Override
    public byte[] bytes(int id) {
        return Character.toString(' ' + id).getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public boolean isEndOfSequence(int id) {
        return id == '.' - ' ';
    }

    @Override
    public int vocabularySize() {
        return 96;
    }
}

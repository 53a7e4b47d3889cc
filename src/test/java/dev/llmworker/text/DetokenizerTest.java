package dev.llmworker.text;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.Test;

class DetokenizerTest {
    /// Token i stands for the i-th bytes.
    private record BytesTokenizer(List<byte[]> tokens, boolean addsLeadingSpace) implements Tokenizer {
        static BytesTokenizer of(String... tokens) {
            return new BytesTokenizer(
                    List.of(tokens).stream().map(token -> token.getBytes(UTF_8)).toList(), true);
        }

        @Override
        public int[] encodeText(String text) {
            throw new UnsupportedOperationException();
        }

        @Override
        public int[] encodeWithControlTokens(String text) {
            throw new UnsupportedOperationException();
        }

        @Override
        public int[] encodeMarked(String text, char mark) {
            throw new UnsupportedOperationException();
        }

        @Override
        public byte[] bytes(int id) {
            return tokens.get(id);
        }

        @Override
        public boolean isEndOfSequence(int id) {
            return false;
        }

        @Override
        public int vocabularySize() {
            return tokens.size();
        }

        @Override
        public OptionalInt beginOfSequence() {
            return OptionalInt.empty();
        }

        @Override
        public Map<String, Integer> controlTokens() {
            return Map.of();
        }
    }

    private static Detokenizer detokenizer(byte[]... tokens) {
        return new Detokenizer(new BytesTokenizer(List.of(tokens), false));
    }

    private static byte[] bytes(int... values) {
        var bytes = new byte[values.length];
        for (var i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    @Test
    void aCharacterComesOnceAllItsBytesAreThere() {
        var detokenizer = detokenizer(bytes('a', 0xF0), bytes(0x9F), bytes(0x98), bytes(0x80, 'b'));

        assertEquals("a", detokenizer.push(0));
        assertEquals("", detokenizer.push(1));
        assertEquals("", detokenizer.push(2));
        assertEquals("😀b", detokenizer.push(3));
    }

    @Test
    void bytesThatNoCharacterHasAreReplacedAtOnce() {
        var detokenizer = detokenizer(bytes(0xFF), bytes(0xE2, 0x82), bytes('x'), bytes(0x80));

        assertEquals("\uFFFD", detokenizer.push(0));
        assertEquals("", detokenizer.push(1));
        assertEquals("\uFFFDx", detokenizer.push(2));
        assertEquals("\uFFFD", detokenizer.push(3));
    }

    @Test
    void aTextThatEndsWithinACharacterEndsBeforeIt() {
        assertEquals("a", detokenizer(bytes('a', 0xF0, 0x9F, 0x98)).push(0));
    }

    @Test
    void onlyTheFirstSpaceOfAnAnswerIsDropped() {
        var detokenizer = new Detokenizer(BytesTokenizer.of("", "  a", " b"));

        assertEquals("", detokenizer.push(0));
        assertEquals(" a", detokenizer.push(1));
        assertEquals(" b", detokenizer.push(2));
    }

    @Test
    void anAnswerThatStartsWithoutASpaceKeepsTheNextOne() {
        var detokenizer = new Detokenizer(BytesTokenizer.of("a", " b"));

        assertEquals("a", detokenizer.push(0));
        assertEquals(" b", detokenizer.push(1));
    }

    @Test
    void textThatContinuesAPromptKeepsItsFirstSpace() {
        assertEquals(" a", Detokenizer.continuing(BytesTokenizer.of(" a")).push(0));
    }

    @Seeded
    @Test
    void piecesJoinedAreAllBytesDecodedAtOnceAndEachIsWellFormed() {
        var seed = Seeds.seed();
        var random = new Random(seed);
        for (var round = 0; round < Seeds.rounds(3_000); round++) {
            var message = "seed " + seed + ", round " + round;
            var all = randomBytes(random);
            var tokens = chopped(all, random);
            var detokenizer = new Detokenizer(new BytesTokenizer(tokens, false));
            var text = new StringBuilder();
            for (var id = 0; id < tokens.size(); id++) {
                var piece = detokenizer.push(id);
                assertEquals(piece, new String(piece.getBytes(UTF_8), UTF_8), message);
                text.append(piece);
            }
            var whole = new String(all, UTF_8);
            // Bytes at the end that may still become a character are held back; they decode to one U+FFFD.
            var held = endsWithinACharacter(all) ? 1 : 0;
            assertEquals(whole.substring(0, whole.length() - held), text.toString(), message);
        }
    }

    /// The first bytes of a character that may still be completed, as Java's decoder has it: it sees half a surrogate
    /// pair, 0xED and 0xA0 to 0xBF, only by the third byte.
    private static boolean endsWithinACharacter(byte[] all) {
        return new String(all, ISO_8859_1)
                .matches("(?s).*([\\xC2-\\xDF]|\\xE0[\\xA0-\\xBF]?|[\\xE1-\\xEF][\\x80-\\xBF]?"
                        + "|\\xF0([\\x90-\\xBF][\\x80-\\xBF]?)?|[\\xF1-\\xF3][\\x80-\\xBF]{0,2}"
                        + "|\\xF4([\\x80-\\x8F][\\x80-\\xBF]?)?)");
    }

    /// Characters of all lengths, whole and cut, among bytes that begin, continue or cannot be in a character.
    private static byte[] randomBytes(Random random) {
        var characters = List.of("a", " ", "é", "€", "日", "😀", "\u0000", "\uFFFD", "\uFFFF");
        var special = bytes(0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xA0, 0x9F, 0xEF, 0xF0, 0x8F, 0xF4, 0x90, 0xF5, 0xFF);
        var bytes = new ByteArrayOutputStream();
        var parts = random.nextInt(12);
        for (var i = 0; i < parts; i++) {
            var character = characters.get(random.nextInt(characters.size())).getBytes(UTF_8);
            switch (random.nextInt(3)) {
                case 0 -> bytes.write(character, 0, character.length);
                case 1 -> bytes.write(character, 0, random.nextInt(character.length));
                default -> bytes.write(special[random.nextInt(special.length)]);
            }
        }
        return bytes.toByteArray();
    }

    private static List<byte[]> chopped(byte[] all, Random random) {
        var tokens = new ArrayList<byte[]>();
        for (var from = 0; from < all.length; ) {
            var to = Math.min(all.length, from + random.nextInt(5));
            tokens.add(Arrays.copyOfRange(all, from, to));
            from = to;
        }
        return tokens;
    }
}

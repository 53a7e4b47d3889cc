package dev.llmworker.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.util.List;
import org.junit.jupiter.api.Test;

class WholeCharactersTest {
    private static String joined(List<String> pieces) {
        var characters = new WholeCharacters();
        var text = new StringBuilder();
        for (var piece : pieces) {
            var next = characters.push(piece);
            assertEquals(-1, WholeCharacters.brokenAt(next, 0), next);
            text.append(next);
        }
        return text.toString();
    }

    @Test
    void halvesAreJoinedAndOneAtTheEndIsLeftOut() {
        assertEquals("a😀b", joined(List.of("a\ud83d", "\ude00", "b\ud83d")));
        assertEquals("a\ufffdb\ufffd", joined(List.of("a\ud83d", "b\ude00")));
        assertEquals("\ufffd😀", joined(List.of("\ud83d", "\ud83d", "\ude00")));
    }

    @Test
    void aBeginningHasNoHalfAtItsEnd() {
        assertEquals("a", WholeCharacters.beginning("a😀", 2));
        assertEquals("a😀", WholeCharacters.beginning("a😀", 3));
        assertEquals("", WholeCharacters.beginning("😀", 1));
        var sound = "a😀";
        assertSame(sound, WholeCharacters.wellFormed(sound));
    }

    @Seeded
    @Test
    void aTextInAnyPiecesIsTheText() {
        var random = Seeds.random();
        for (var round = 0; round < Seeds.rounds(2_000); round++) {
            var text = new StringBuilder();
            for (var i = random.nextInt(10); i > 0; i--) {
                text.append(List.of("a", "é", "四", "😀", "𝄞").get(random.nextInt(5)));
            }
            var pieces = new java.util.ArrayList<String>();
            for (var from = 0; from < text.length(); ) {
                var to = Math.min(text.length(), from + random.nextInt(3));
                pieces.add(text.substring(from, to));
                from = to;
            }
            assertEquals(text.toString(), joined(pieces));
        }
    }
}

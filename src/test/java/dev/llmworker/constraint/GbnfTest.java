package dev.llmworker.constraint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class GbnfTest {
    private static void assertWritten(String expected, String regex) {
        assertEquals("root ::= " + expected.replace("#", "\\U000000"), Gbnf.ofRegex(regex));
    }

    @Test
    void anExpressionIsOneRule() {
        assertWritten("[#61-#61]", "a");
        assertWritten("( [#61-#61] [#62-#62] )", "ab");
        assertWritten("( [#61-#61] | \"\" )", "a|");
        assertWritten("( [#30-#39] ){2,}", "\\d{2,}");
        assertWritten("( ( [#61-#61] [#62-#63] ) ){0,1}", "(?:a[bc])?");
        assertWritten("[\\U0001F600-\\U0001F600]", "😀");
        assertWritten("\"\"", "");
    }

    @Test
    void anAnchorAtItsOwnEndChangesNothing() {
        assertWritten("( \"\" [#61-#61] \"\" )", "^a$");
        assertWritten("( ( \"\" [#61-#61] ) | ( [#62-#62] \"\" ) )", "^a|b$");
        for (var within : List.of("a^", "$a", "(^a)*", "(a|^b)c$|x$y")) {
            var message = assertThrows(ConstraintException.class, () -> Gbnf.ofRegex(within))
                    .getMessage();
            assertTrue(message.endsWith("which grammars of llama.cpp do not have"), message);
        }
    }

    @Test
    void textsAreQuotedWhateverTheyHave() {
        assertEquals("root ::= \"\\U00000022\\U0000005C\" | \"\"", Gbnf.ofTexts(List.of("\"\\", "")));
    }

    @Test
    void aGrammarHasALimit() {
        var classes = "\\p{L}".repeat(3_000);
        var message = assertThrows(ConstraintException.class, () -> Gbnf.ofRegex(classes))
                .getMessage();
        assertTrue(message.contains("more than " + Gbnf.MAX_CHARACTERS + " characters"), message);
        var texts = List.of("a".repeat(Gbnf.MAX_CHARACTERS / 10));
        assertThrows(ConstraintException.class, () -> Gbnf.ofTexts(texts));
        assertTrue(Gbnf.ofRegex("\\p{L}{3}").length() < Gbnf.MAX_CHARACTERS);
    }
}

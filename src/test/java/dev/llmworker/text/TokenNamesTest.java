package dev.llmworker.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;

class TokenNamesTest {
    private final TokenNames names = new TokenNames(Map.of("<a>", 1, "<a><b>", 2, "b", 3, "", 4));

    @Test
    void theFirstNameIsFoundAndOfThoseThereTheLongest() {
        assertEquals(new TokenNames.Match(1, 7, 2), names.find("x<a><b>", 0));
        assertEquals(new TokenNames.Match(1, 4, 1), names.find("x<a><c>b", 0));
        assertEquals(new TokenNames.Match(7, 8, 3), names.find("x<a><c>b", 2));
        assertNull(names.find("<a <c", 0));
    }

    @Test
    void aBeginningAtTheEndMayBeAName() {
        assertTrue(names.mayBegin("x<a", 1, 3));
        assertTrue(names.mayBegin("<a>x", 0, 4));
        assertFalse(names.mayBegin("<ax", 0, 3));
        assertFalse(names.mayBegin("x", 1, 1));
    }
}

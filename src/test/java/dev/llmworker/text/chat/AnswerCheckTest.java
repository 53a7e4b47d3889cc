package dev.llmworker.text.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AnswerCheckTest {
    private static final String SCHEMA = """
            {"type":"object","required":["id"],"properties":{
              "first":{"type":"string","maxLength":3},
              "id":{"type":"integer","minimum":5},
              "price":{"type":"number","multipleOf":0.01},
              "at":{"type":"object","properties":{"x":{"type":"number"},"y":{"type":"number"}},"required":["y"],
                "additionalProperties":false},
              "tags":{"type":"array","items":{"enum":["a","b\\u007f"]}}},
             "additionalProperties":{"type":"boolean"}}""";

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            {"id":5} | true
            { "id" : 5 , "first" : "abc" } | true
            {"b":true,"tags":[],"price":1.50,"id":1e1,"a":false,"first":""} | true
            {"at":{"y":1,"x":2},"id":7,"first":"\\u0061"} | true
            {"at":{"x":2,"y":1},"id":7.0} | true
            {"tags":["b\\u007F","a"],"id":7} | true
            {"at":{"y":1,"x":2,"z":3},"id":7} | false
            {"at":{"x":2},"id":7} | false
            {"first":"abc"} | false
            {"id":4,"first":"abc"} | false
            {"id":6.5} | false
            {"id":6,"first":"abcd"} | false
            {"id":6,"price":0.001} | false
            {"id":6,"other":1} | false
            {"id":6,"id":7} | false
            {"id":6} x | false
            {"id":1e999999999} | false
            [] | false
            """)
    void theOrderAndTheSpellingOfJsonDoNotCount(String json, boolean isValid) {
        assertEquals(isValid, AnswerCheck.ofSchema(SCHEMA).accepts(json));
    }

    /// To find their order would take the square of their number.
    @Test
    void manyMembersMayBeWrittenInAnySpelling() {
        var members = IntStream.range(0, 2000)
                .mapToObj(i -> "\"member" + i + "\" : \"\\u0061\"")
                .collect(Collectors.joining(" , ", "{", "}\n"));
        assertTrue(AnswerCheck.ofSchema("{\"type\":\"object\"}").accepts(members));
        var listed = "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}";
        assertTrue(AnswerCheck.ofSchema(listed).accepts(members));
        assertFalse(AnswerCheck.ofSchema(listed).accepts(members.replace("{", "{\"b\":1,")));
    }

    @Test
    void otherTextsMustBeExact() {
        var choice = AnswerCheck.ofChoice(List.of("yes", "no"));
        assertEquals(
                List.of(true, false, false),
                List.of("yes", "no ", "").stream().map(choice::accepts).toList());
        var regex = AnswerCheck.ofRegex("[0-9]{2}");
        assertEquals(
                List.of(true, false),
                List.of("12", "123").stream().map(regex::accepts).toList());
    }

    @Test
    void whatCannotBeEnforcedIsNamed() {
        var check = AnswerCheck.ofSchema("{\"contains\":{}}");
        var refused = assertThrows(IllegalArgumentException.class, check::prepare);
        assertTrue(String.valueOf(refused.getMessage()).startsWith("$.contains"));
    }
}

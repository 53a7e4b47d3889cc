package dev.llmworker.serving.request;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AnswerFormatsTest {
    private static @Nullable AnswerFormat read(String body) throws Exception {
        return AnswerFormats.read(new RequestFields(new ObjectMapper().readValue(body.replace('\'', '"'), Map.class)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{'response_format':null}",
                "{'response_format':{'type':'text'}}",
                "{'response_format':[],'structured_outputs':{},'guided_json':null,'guided_choice':[]}",
                "{'structured_outputs':{'json':null,'regex':null,'json_object':false,'disable_fallback':false}}"
            })
    void aRequestMayAskForNoFormat(String body) throws Exception {
        assertNull(read(body));
    }

    @Test
    void aSchemaKeepsTheOrderOfItsMembers() throws Exception {
        var schema = "{\"z\":1,\"a\":{\"y\":1.50,\"b\":[]}}";
        assertEquals(
                new AnswerFormat.Json("response_format.json_schema.schema", schema.replace("1.50", "1.5")),
                read("{'response_format':{'type':'json_schema','json_schema':{'name':'x','strict':true,'schema':"
                        + schema + "}}}"));
        assertEquals(
                new AnswerFormat.Json("guided_json", schema),
                AnswerFormats.read(new RequestFields(Map.of("guided_json", schema))));
    }

    @Test
    void eachFormatHasItsField() throws Exception {
        assertEquals(AnswerFormat.Json.object("response_format"), read("{'response_format':{'type':'json_object'}}"));
        assertEquals(
                new AnswerFormat.Pattern("structured_outputs.regex", "a+"),
                read("{'structured_outputs':{'regex':'a+','choice':null}}"));
        assertEquals(new AnswerFormat.Pattern("guided_regex", "a+"), read("{'guided_regex':'a+'}"));
        assertEquals(
                new AnswerFormat.Choice("structured_outputs.choice", List.of("yes", "no")),
                read("{'structured_outputs':{'choice':['yes','no']}}"));
        assertEquals(new AnswerFormat.Choice("guided_choice", List.of("a")), read("{'guided_choice':['a']}"));
        assertEquals(
                new AnswerFormat.Json("structured_outputs.json", "true"), read("{'structured_outputs':{'json':true}}"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'response_format':{'type':'xml'}}|response_format.type is \"xml\"; it must be text, json_object or"
                        + " json_schema",
                "{'response_format':{'type':'json_schema'}}|response_format.json_schema is null; it must be an object",
                "{'response_format':{'type':'json_schema','json_schema':{'name':'x'}}}|"
                        + "response_format.json_schema.schema is missing; it must be a JSON schema",
                "{'response_format':{'type':'json_object','grammar':'x'}}|response_format.grammar is not supported",
                "{'structured_outputs':{'grammar':'x'}}|structured_outputs.grammar is not supported",
                "{'structured_outputs':{'choice':'x'}}|structured_outputs.choice is \"x\"; it must be a list of 1 to"
                        + " 1000 texts",
                "{'guided_json':'{}},'}|guided_json is a text that is not JSON",
                "{'guided_json':3}|guided_json is 3; it must be a JSON schema",
                "{'guided_regex':'a','guided_json':{}}|guided_json and guided_regex are both there; send one of them",
                "{'structured_outputs':{'regex':'a','json':{}}}|structured_outputs.regex and structured_outputs.json are"
                        + " both there; send one of them"
            })
    void whatCannotBeEnforcedIsRefused(String body, String message) {
        var refusal = assertThrows(RequestException.class, () -> read(body));
        assertEquals(message, refusal.getMessage());
    }
}

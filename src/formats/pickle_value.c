/* Looking at a pickle's values. */
#include <string.h>

#include "formats/pickle.h"

bool graft_text_equals(const graft_text *text, const char *word)
{
    return text->length == strlen(word) && memcmp(text->at, word, text->length) == 0;
}

bool graft_value_is_text(const graft_value *value, const char *text)
{
    return value->kind == GRAFT_VALUE_TEXT && graft_text_equals(&value->text, text);
}

graft_value *graft_value_get(const graft_value *dict, const char *key)
{
    if (dict->kind != GRAFT_VALUE_DICT)
        return NULL;
    for (size_t i = dict->count; i >= 2; i -= 2)
        if (graft_value_is_text(dict->items[i - 2], key))
            return dict->items[i - 1];
    return NULL;
}

const char *graft_value_what(const graft_value *value)
{
    switch (value->kind) {
    case GRAFT_VALUE_NONE:
        return "None";
    case GRAFT_VALUE_BOOLEAN:
    case GRAFT_VALUE_INTEGER:
    case GRAFT_VALUE_REAL:
        return "a number";
    case GRAFT_VALUE_TEXT:
        return "a text";
    case GRAFT_VALUE_TUPLE:
        return "a tuple";
    case GRAFT_VALUE_LIST:
        return "a list";
    case GRAFT_VALUE_DICT:
        return "a dict";
    case GRAFT_VALUE_GLOBAL:
        return "a type";
    case GRAFT_VALUE_CALL:
        return "a tensor";
    case GRAFT_VALUE_PERSISTENT:
        return "a storage";
    }
    return "something unknown";
}

int graft_text_shown(const graft_text *text)
{
    enum { LONGEST = 100 };
    if (text->length <= LONGEST)
        return (int)text->length;
    int length = LONGEST;
    while (length > 0 && ((unsigned char)text->at[length] & 0xc0) == 0x80)
        length--;
    return length;
}
